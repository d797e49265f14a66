//! Runs compiled patterns by backtracking.
//!
//! Every step is counted, and every few thousand steps the caller is asked whether to go on: whatever a pattern does, the query
//! ends at its deadline. Regular expression libraries cannot be interrupted inside one search.

use super::program::{ClassRepeat, Compiled, Instruction, Loop, Nested};
use crate::ir::{Fault, Outcome};

/// Steps between two checks whether to go on.
const STEPS: usize = 4096;
/// The most alternatives that are open at a time, and values to be restored with them.
const MAX_STACK: usize = 1 << 20;
/// A register without a value.
const UNSET: usize = usize::MAX;

/// The places of the groups of a match, the whole match first.
pub type Spans = Vec<Option<(usize, usize)>>;

enum Saved {
    /// An alternative to be tried.
    Branch { address: usize, at: usize },
    /// An alternative for each character back to `least`.
    Fewer { address: usize, least: usize, at: usize },
    /// The former value of a register.
    Register { slot: usize, value: usize },
}

/// A search in one text.
pub struct Machine<'p, 't, G> {
    pattern: &'p Compiled,
    text: &'t str,
    /// Asked whether to go on.
    check_time: G,
    steps: usize,
    registers: Vec<usize>,
    stack: Vec<Saved>,
    previous_end: usize,
}

impl<'p, 't, G: Fn() -> Outcome<()>> Machine<'p, 't, G> {
    pub fn new(pattern: &'p Compiled, text: &'t str, check_time: G) -> Self {
        let registers = vec![UNSET; pattern.slots];
        Self { pattern, text, check_time, steps: 0, registers, stack: Vec::new(), previous_end: 0 }
    }

    /// The first match that begins at `from` or later.
    ///
    /// # Errors
    /// If the caller does not want to go on, or too much memory is needed.
    pub fn next(&mut self, from: usize) -> Outcome<Option<Spans>> {
        self.previous_end = from;
        let first = match self.pattern.program.get(1) {
            Some(Instruction::Class(class)) => Some(class),
            _ => None,
        };
        let mut start = from;
        loop {
            self.step(1)?;
            let next = self.text.get(start..).and_then(|rest| rest.chars().next());
            if first.is_none_or(|class| next.is_some_and(|next| is_in(class, next))) {
                self.registers.fill(UNSET);
                self.stack.clear();
                if self.run(0, start, None)?.is_some() {
                    return Ok(Some(self.spans()));
                }
            }
            let Some(next) = next else { return Ok(None) };
            start += next.len_utf8();
        }
    }

    fn spans(&self) -> Spans {
        let groups = self.registers.chunks(2).take(self.pattern.groups);
        groups
            .map(|ends| match *ends {
                [start, end] if start != UNSET && end != UNSET => Some((start, end)),
                _ => None,
            })
            .collect()
    }

    fn step(&mut self, steps: usize) -> Outcome<()> {
        self.steps += steps;
        if self.steps >= STEPS {
            self.steps = 0;
            (self.check_time)()?;
        }
        Ok(())
    }

    fn save(&mut self, saved: Saved) -> Outcome<()> {
        if self.stack.len() >= MAX_STACK {
            return Err(Fault::Internal("a pattern needs too much memory".to_owned()).into());
        }
        self.stack.push(saved);
        Ok(())
    }

    fn register(&self, slot: usize) -> usize {
        self.registers.get(slot).copied().unwrap_or(UNSET)
    }

    fn set(&mut self, slot: usize, value: usize) -> Outcome<()> {
        let old = self.register(slot);
        self.save(Saved::Register { slot, value: old })?;
        self.put(slot, value);
        Ok(())
    }

    fn put(&mut self, slot: usize, value: usize) {
        if let Some(register) = self.registers.get_mut(slot) {
            *register = value;
        }
    }

    /// Runs from an address and a place to [`Instruction::Match`]; where it ends. With `end`, it must end there. The alternatives
    /// that it leaves open are forgotten, the former values of registers are kept.
    fn run(&mut self, mut address: usize, mut at: usize, end: Option<usize>) -> Outcome<Option<usize>> {
        let base = self.stack.len();
        loop {
            self.step(1)?;
            let went = match self.pattern.program.get(address) {
                Some(Instruction::Match) if end.is_none_or(|end| end == at) => {
                    self.forget_branches(base);
                    return Ok(Some(at));
                }
                None | Some(Instruction::Fail | Instruction::Match) => None,
                Some(Instruction::Nested { kind, next }) => self.nested(*kind, address + 1, at)?.map(|at| (*next, at)),
                Some(Instruction::ClassRepeat(it)) => {
                    self.class_repeat(it, address + 1, at)?.map(|at| (address + 1, at))
                }
                Some(Instruction::Split(first, second)) => {
                    self.save(Saved::Branch { address: *second, at })?;
                    Some((*first, at))
                }
                Some(Instruction::Loop(it)) => self.head(it, at)?.map(|address| (address, at)),
                Some(Instruction::Enter(it)) => Some((self.enter(it, at)?, at)),
                Some(Instruction::Save(slot)) => {
                    self.set(*slot, at)?;
                    Some((address + 1, at))
                }
                Some(Instruction::Reset(slot)) => {
                    self.set(*slot, 0)?;
                    Some((address + 1, at))
                }
                Some(Instruction::Jump(to)) => Some((*to, at)),
                Some(simple) => self.simple(simple, at)?.map(|at| (address + 1, at)),
            };
            match went.or_else(|| self.back(base)) {
                Some((to, place)) => (address, at) = (to, place),
                None => return Ok(None),
            }
        }
    }

    /// Takes the last alternative above `base`.
    fn back(&mut self, base: usize) -> Option<(usize, usize)> {
        while self.stack.len() > base {
            match self.stack.pop()? {
                Saved::Register { slot, value } => self.put(slot, value),
                Saved::Branch { address, at } => return Some((address, at)),
                Saved::Fewer { address, least, at } => {
                    let before = self.text.get(..at)?.chars().next_back().map_or(at, |last| at - last.len_utf8());
                    if before > least {
                        self.stack.push(Saved::Fewer { address, least, at: before });
                    }
                    return Some((address, before));
                }
            }
        }
        None
    }

    /// Forgets the alternatives above `base`.
    fn forget_branches(&mut self, base: usize) {
        if base == 0 {
            self.stack.clear();
            return;
        }
        let mut kept = base;
        for index in base..self.stack.len() {
            if matches!(self.stack.get(index), Some(Saved::Register { .. })) {
                self.stack.swap(kept, index);
                kept += 1;
            }
        }
        self.stack.truncate(kept);
    }

    /// One that matches without alternatives: where it ends.
    fn simple(&mut self, instruction: &Instruction, at: usize) -> Outcome<Option<usize>> {
        let rest = self.text.get(at..).unwrap_or_default();
        let passes = |passes: bool| passes.then_some(at);
        Ok(match instruction {
            Instruction::Class(class) => {
                rest.chars().next().filter(|next| is_in(class, *next)).map(|next| at + next.len_utf8())
            }
            Instruction::StartText => passes(at == 0),
            Instruction::EndText => passes(rest.is_empty()),
            Instruction::PreviousEnd => passes(at == self.previous_end),
            Instruction::WordBoundary { negated } => {
                let is_word = |character: Option<char>| character.is_some_and(regex_syntax::is_word_character);
                let before = self.text.get(..at).unwrap_or_default().chars().next_back();
                passes((is_word(before) != is_word(rest.chars().next())) != *negated)
            }
            Instruction::Backreference { group, ignores_case } => {
                let (start, end) = (self.register(2 * group), self.register(2 * group + 1));
                let Some(wanted) = self.text.get(start..end).filter(|_| end != UNSET) else { return Ok(None) };
                self.step(wanted.len())?;
                if *ignores_case {
                    same_but_case(wanted, rest).map(|length| at + length)
                } else {
                    rest.starts_with(wanted).then_some(at + wanted.len())
                }
            }
            _ => None,
        })
    }

    /// As many characters of a class as there are.
    fn class_repeat(&mut self, it: &ClassRepeat, next: usize, at: usize) -> Outcome<Option<usize>> {
        let (mut end, mut enough, mut count) = (at, None, 0);
        let text = self.text;
        let mut characters = text.get(at..).unwrap_or_default().chars();
        loop {
            if count == it.least {
                enough = Some(end);
            }
            if count == it.most {
                break;
            }
            let Some(character) = characters.next().filter(|next| is_in(&it.class, *next)) else { break };
            end += character.len_utf8();
            count += 1;
            self.step(1)?;
        }
        let Some(enough) = enough else { return Ok(None) };
        if end > enough {
            self.save(Saved::Fewer { address: next, least: enough, at: end })?;
        }
        Ok(Some(end))
    }

    /// The head of a loop: where to go on. An iteration that matched nothing is the last.
    fn head(&mut self, it: &Loop, at: usize) -> Outcome<Option<usize>> {
        let count = self.register(it.counter);
        let was_empty = count > 0 && self.register(it.began) == at;
        if count < it.least && !was_empty {
            return self.enter(it, at).map(Some);
        }
        if count >= it.most || was_empty {
            return Ok(Some(it.next));
        }
        if it.greedy {
            self.save(Saved::Branch { address: it.next, at })?;
            return self.enter(it, at).map(Some);
        }
        self.save(Saved::Branch { address: it.body - 1, at })?;
        Ok(Some(it.next))
    }

    fn enter(&mut self, it: &Loop, at: usize) -> Outcome<usize> {
        self.set(it.counter, self.register(it.counter).saturating_add(1))?;
        self.set(it.began, at)?;
        Ok(it.body)
    }

    /// Runs a pattern inside the pattern: where to go on.
    fn nested(&mut self, kind: Nested, address: usize, at: usize) -> Outcome<Option<usize>> {
        match kind {
            Nested::Atomic => self.run(address, at, None),
            Nested::Ahead { negated } => {
                let base = self.stack.len();
                let found = self.run(address, at, None)?.is_some();
                Ok(self.leave_lookaround(found, negated, base).then_some(at))
            }
            Nested::Behind { negated } => {
                let base = self.stack.len();
                let mut start = at;
                let found = loop {
                    self.step(1)?;
                    if self.run(address, start, Some(at))?.is_some() {
                        break true;
                    }
                    match self.text.get(..start).and_then(|before| before.chars().next_back()) {
                        Some(before) => start -= before.len_utf8(),
                        None => break false,
                    }
                };
                Ok(self.leave_lookaround(found, negated, base).then_some(at))
            }
        }
    }

    /// Whether a look-around holds. What a negative one has set is set back.
    fn leave_lookaround(&mut self, found: bool, negated: bool, base: usize) -> bool {
        if negated && found {
            let _none_is_left = self.back(base);
        }
        found != negated
    }
}

fn is_in(class: &[(char, char)], character: char) -> bool {
    let found = class.binary_search_by(|(first, last)| {
        if *last < character {
            std::cmp::Ordering::Less
        } else if *first > character {
            std::cmp::Ordering::Greater
        } else {
            std::cmp::Ordering::Equal
        }
    });
    found.is_ok()
}

/// The length of `wanted` at the beginning of `text`, ignoring case; `None` if it is not there.
fn same_but_case(wanted: &str, text: &str) -> Option<usize> {
    let mut rest = text.chars();
    for character in wanted.chars() {
        let other = rest.next()?;
        if character != other && !character.to_lowercase().eq(other.to_lowercase()) {
            return None;
        }
    }
    Some(text.len() - rest.as_str().len())
}
