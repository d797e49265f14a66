//! Compiles a parsed pattern for the machine in `machine.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use fancy_regex::{Assertion, BacktrackingControlVerb, Expr, LookAround};
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// The most different classes of a pattern.
const MAX_CLASSES: usize = 1000;
/// The most instructions of a program.
const MAX_LENGTH: usize = 1 << 17;
pub type Program = Vec<Instruction>;
/// Ranges of characters, sorted; both ends belong to them.
pub type Ranges = Arc<[(char, char)]>;

/// An instruction. Addresses are indexes into the program; slots are indexes into the registers of the machine.
#[derive(Clone, Debug)]
pub enum Instruction {
    /// One character of these.
    Class(Ranges),
    ClassRepeat(ClassRepeat),
    StartText,
    EndText,
    PreviousEnd,
    WordBoundary {
        negated: bool,
    },
    Backreference {
        group: usize,
        ignores_case: bool,
    },
    /// Notes the position in a slot.
    Save(usize),
    /// Sets a counter to zero.
    Reset(usize),
    /// Goes on at the first address, and at the second one if that fails.
    Split(usize, usize),
    Jump(usize),
    /// The head of a loop: its body follows.
    Loop(Loop),
    /// Counts an iteration of the loop whose head this is and enters its body. Only reached by backtracking.
    Enter(Loop),
    /// A pattern of its own that ends at [`Instruction::Match`], followed by the rest at `next`.
    Nested {
        kind: Nested,
        next: usize,
    },
    Fail,
    Match,
}

/// As many characters of a class as there are, within bounds; gives some back if the rest of the pattern fails.
#[derive(Clone, Debug)]
pub struct ClassRepeat {
    pub class: Ranges,
    pub least: usize,
    pub most: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Loop {
    /// The slot that counts iterations.
    pub counter: usize,
    /// The slot of the position where the last iteration began.
    pub began: usize,
    pub least: usize,
    pub most: usize,
    pub greedy: bool,
    pub body: usize,
    /// The address after the loop.
    pub next: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nested {
    Atomic,
    Ahead { negated: bool },
    Behind { negated: bool },
}

#[derive(Debug)]
pub struct Compiled {
    pub program: Program,
    /// The number of groups, the whole match included.
    pub groups: usize,
    /// The number of registers that the machine needs.
    pub slots: usize,
    /// Whether only a backtracking machine can run it: it looks around or back.
    pub is_hard: bool,
    /// How many ranges of characters and alternatives it has when all loops are unrolled.
    pub weight: usize,
}

/// Compiles a pattern; `None` if it is too large, or has what translated patterns never have.
pub fn compile(expression: &Expr) -> Option<Compiled> {
    let groups = count_groups(expression) + 1;
    let mut compiler =
        Compiler { program: Vec::new(), next_group: 1, slots: 2 * groups, is_hard: false, classes: HashMap::new() };
    compiler.push(Instruction::Save(0))?;
    let weight = compiler.expression(expression)?;
    compiler.push(Instruction::Save(1))?;
    compiler.push(Instruction::Match)?;
    let Compiler { program, slots, is_hard, .. } = compiler;
    Some(Compiled { program, groups, slots, is_hard, weight })
}

fn count_groups(expression: &Expr) -> usize {
    usize::from(matches!(expression, Expr::Group(_))) + expression.children_iter().map(count_groups).sum::<usize>()
}

struct Compiler {
    program: Program,
    next_group: usize,
    slots: usize,
    is_hard: bool,
    classes: HashMap<(String, bool), Ranges>,
}

impl Compiler {
    /// Appends an instruction; its address.
    fn push(&mut self, instruction: Instruction) -> Option<usize> {
        if self.program.len() >= MAX_LENGTH {
            return None;
        }
        self.program.push(instruction);
        Some(self.program.len() - 1)
    }

    fn set(&mut self, address: usize, instruction: Instruction) {
        if let Some(place) = self.program.get_mut(address) {
            *place = instruction;
        }
    }

    fn slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    /// Appends an expression; its weight.
    fn expression(&mut self, expression: &Expr) -> Option<usize> {
        if let Some(class) = self.single(expression) {
            let class = class?;
            let weight = class.len();
            self.push(Instruction::Class(class))?;
            return Some(weight);
        }
        match expression {
            Expr::Empty => Some(0),
            Expr::Assertion(assertion) => self.assertion(*assertion),
            Expr::Literal { val, casei } => {
                for character in val.chars() {
                    self.push(Instruction::Class(character_class(character, *casei)?))?;
                }
                Some(val.len())
            }
            Expr::Concat(all) => {
                all.iter().try_fold(0_usize, |sum, one| Some(sum.saturating_add(self.expression(one)?)))
            }
            Expr::Alt(all) => self.alternatives(all),
            Expr::Group(inner) => {
                let group = self.next_group;
                self.next_group += 1;
                self.push(Instruction::Save(2 * group))?;
                let weight = self.expression(inner)?;
                self.push(Instruction::Save(2 * group + 1))?;
                Some(weight.saturating_add(2))
            }
            Expr::Repeat { child, lo, hi, greedy } => self.repeat(child, *lo, *hi, *greedy),
            Expr::LookAround(inner, LookAround::LookAhead) => self.nested(inner, Nested::Ahead { negated: false }),
            Expr::LookAround(inner, LookAround::LookAheadNeg) => self.nested(inner, Nested::Ahead { negated: true }),
            Expr::LookAround(inner, LookAround::LookBehind) => self.nested(inner, Nested::Behind { negated: false }),
            Expr::LookAround(inner, LookAround::LookBehindNeg) => self.nested(inner, Nested::Behind { negated: true }),
            Expr::AtomicGroup(inner) => self.nested(inner, Nested::Atomic),
            Expr::Backref { group, casei } => {
                self.hard(Instruction::Backreference { group: *group, ignores_case: *casei })
            }
            Expr::ContinueFromPreviousMatchEnd => self.hard(Instruction::PreviousEnd),
            Expr::BacktrackingControlVerb(BacktrackingControlVerb::Fail) => self.hard(Instruction::Fail),
            _ => None,
        }
    }

    fn hard(&mut self, instruction: Instruction) -> Option<usize> {
        self.is_hard = true;
        self.push(instruction)?;
        Some(1)
    }

    fn assertion(&mut self, assertion: Assertion) -> Option<usize> {
        let instruction = match assertion {
            Assertion::StartText => Instruction::StartText,
            Assertion::EndText => Instruction::EndText,
            Assertion::WordBoundary => Instruction::WordBoundary { negated: false },
            Assertion::NotWordBoundary => Instruction::WordBoundary { negated: true },
            _ => return None,
        };
        self.push(instruction)?;
        Some(1)
    }

    fn alternatives(&mut self, all: &[Expr]) -> Option<usize> {
        let (last, others) = all.split_last()?;
        let mut jumps = Vec::new();
        let mut weight = 0_usize;
        for one in others {
            let split = self.push(Instruction::Fail)?;
            weight = weight.saturating_add(self.expression(one)?).saturating_add(1);
            jumps.push(self.push(Instruction::Fail)?);
            let here = self.program.len();
            self.set(split, Instruction::Split(split + 1, here));
        }
        weight = weight.saturating_add(self.expression(last)?);
        let end = self.program.len();
        for jump in jumps {
            self.set(jump, Instruction::Jump(end));
        }
        Some(weight)
    }

    fn repeat(&mut self, child: &Expr, least: usize, most: usize, greedy: bool) -> Option<usize> {
        let unrolled = if most == usize::MAX { least.saturating_add(1) } else { most };
        if let (Some(class), true) = (self.single(child), greedy) {
            let class = class?;
            let weight = class.len().saturating_mul(unrolled);
            self.push(Instruction::ClassRepeat(ClassRepeat { class, least, most }))?;
            return Some(weight);
        }
        let (counter, began) = (self.slot(), self.slot());
        self.push(Instruction::Reset(counter))?;
        let head = self.push(Instruction::Fail)?;
        let enter = self.push(Instruction::Fail)?;
        let weight = self.expression(child)?;
        self.push(Instruction::Jump(head))?;
        let next = self.program.len();
        let it = Loop { counter, began, least, most, greedy, body: enter + 1, next };
        self.set(head, Instruction::Loop(it));
        self.set(enter, Instruction::Enter(it));
        Some(weight.saturating_add(1).saturating_mul(unrolled))
    }

    fn nested(&mut self, inner: &Expr, kind: Nested) -> Option<usize> {
        self.is_hard = true;
        let begin = self.push(Instruction::Fail)?;
        let weight = self.expression(inner)?;
        self.push(Instruction::Match)?;
        let next = self.program.len();
        self.set(begin, Instruction::Nested { kind, next });
        Some(weight.saturating_add(2))
    }

    /// The class of an expression that is exactly one character; the inner `None` if it cannot be told.
    #[expect(clippy::option_option, reason = "whether it is one character, and whether it is understood")]
    fn single(&mut self, expression: &Expr) -> Option<Option<Ranges>> {
        match expression {
            Expr::Any { newline: true, .. } => Some(Some(Arc::new([('\0', char::MAX)]))),
            Expr::Any { newline: false, crlf: false } => Some(Some(Arc::new([('\0', '\t'), ('\u{b}', char::MAX)]))),
            Expr::Any { .. } => Some(Some(Arc::new([('\0', '\t'), ('\u{b}', '\u{c}'), ('\u{e}', char::MAX)]))),
            Expr::Delegate { inner, casei } => Some(self.class(inner, *casei)),
            Expr::Literal { val, casei } => {
                let mut characters = val.chars();
                match (characters.next(), characters.next()) {
                    (Some(only), None) => Some(character_class(only, *casei)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The characters of a class in the syntax of `regex`. Parsing one with Unicode properties takes time: each is parsed once.
    fn class(&mut self, text: &str, ignores_case: bool) -> Option<Ranges> {
        let key = (text.to_owned(), ignores_case);
        if let Some(known) = self.classes.get(&key) {
            return Some(Arc::clone(known));
        }
        let class = delegated(text, ignores_case).filter(|_| self.classes.len() < MAX_CLASSES)?;
        self.classes.insert(key, Arc::clone(&class));
        Some(class)
    }
}

/// The characters that a class in the syntax of `regex` stands for.
fn delegated(text: &str, ignores_case: bool) -> Option<Ranges> {
    let mut parser = regex_syntax::ParserBuilder::new().case_insensitive(ignores_case).build();
    let parsed = parser.parse(text).ok()?;
    match parsed.kind() {
        HirKind::Class(Class::Unicode(class)) => Some(ranges(class)),
        HirKind::Class(Class::Bytes(class)) => {
            let ranges = class.iter().map(|range| (char::from(range.start()), char::from(range.end())));
            class.is_ascii().then(|| ranges.collect())
        }
        HirKind::Literal(literal) => {
            let mut characters = std::str::from_utf8(&literal.0).ok()?.chars();
            let only = characters.next()?;
            characters.next().is_none().then(|| Arc::from([(only, only)]))
        }
        _ => None,
    }
}

fn ranges(class: &ClassUnicode) -> Ranges {
    class.iter().map(|range| (range.start(), range.end())).collect()
}

fn character_class(character: char, ignores_case: bool) -> Option<Ranges> {
    let mut class = ClassUnicode::new([ClassUnicodeRange::new(character, character)]);
    if ignores_case {
        class.try_case_fold_simple().ok()?;
    }
    Some(ranges(&class))
}
