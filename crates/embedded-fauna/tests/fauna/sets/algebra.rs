//! Pages of random set expressions, in both directions, compared with a model of how FaunaDB reads sets.

use serde_json::{Value, json};

use super::model::{Element, Leaf, Page, Reading, Set, paginate};
use crate::endpoint::Endpoint;
use crate::random::Random;

/// Random expressions; [`PAGES`] pages are read of each.
const SETS: usize = 500;
const PAGES: usize = 4;
/// Pages that are asked for in one query.
const BATCH: usize = 50;
const DOCUMENTS: i64 = 60;
const KINDS: &[&str] = &["x", "y", "z"];
/// A page that holds everything.
const WHOLE: usize = 200;

/// A document of the collection.
struct Thing {
    id: i64,
    kind: &'static str,
    /// Few different ones, so that many entries have the same values.
    size: i64,
    weight: i64,
    other: i64,
}

/// The shape of all sets of an expression: their indexes can be merged with each other.
#[derive(Clone, Copy, PartialEq)]
enum Family {
    Documents,
    Sizes,
    SizesDescending,
    SizesAndWeights,
}

const FAMILIES: &[Family] = &[Family::Documents, Family::Sizes, Family::SizesDescending, Family::SizesAndWeights];

impl Family {
    fn values(self, thing: &Thing) -> Vec<i64> {
        match self {
            Self::Documents => Vec::new(),
            Self::Sizes | Self::SizesDescending => vec![thing.size],
            Self::SizesAndWeights => vec![thing.size, thing.weight],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Sizes => "sizes",
            Self::SizesDescending => "sizes_descending",
            Self::SizesAndWeights => "sizes_and_weights",
        }
    }

    fn definition(self) -> Value {
        let field = |name: &str, reverse: bool| json!({"object": {"field": ["data", name], "reverse": reverse}});
        match self {
            Self::Documents => json!([]),
            Self::Sizes => json!([field("size", false)]),
            Self::SizesDescending => json!([field("size", true)]),
            Self::SizesAndWeights => json!([field("size", false), field("weight", false)]),
        }
    }
}

/// Makes the collection, its documents, and for each family an index of all, one by kind and one by the other document.
async fn fill(endpoint: &Endpoint, random: &mut Random) -> (String, Vec<Thing>) {
    let (admin, _) = endpoint.child("sets").await;
    endpoint.query(&admin, &json!({"create_collection": {"object": {"name": "things"}}})).await;
    for family in FAMILIES {
        for (suffix, terms) in [("all", None), ("by_kind", Some("kind")), ("by_other", Some("other"))] {
            let terms = terms.map_or(json!([]), |field| json!([{"object": {"field": ["data", field]}}]));
            let index = json!({"name": format!("{}_{suffix}", family.name()), "source": {"collection": "things"},
                "terms": terms, "values": family.definition()});
            endpoint.query(&admin, &json!({"create_index": {"object": index}})).await;
        }
    }
    let mut things = Vec::new();
    for id in 1..=DOCUMENTS {
        let number = |random: &mut Random, below: usize| i64::try_from(random.below(below)).unwrap();
        let (size, weight, other) = (number(random, 6), number(random, 3), 1 + number(random, 8));
        let thing = Thing { id, kind: KINDS[random.below(KINDS.len())], size, weight, other };
        let data = json!({"object": {"kind": thing.kind, "size": size, "weight": weight, "other": other}});
        let create =
            json!({"create": {"ref": {"collection": "things"}, "id": id}, "params": {"object": {"data": data}}});
        endpoint.query(&admin, &create).await;
        things.push(thing);
    }
    (admin, things)
}

/// Makes expressions and their models.
struct Expressions<'e> {
    random: &'e mut Random,
    things: &'e [Thing],
    family: Family,
    has_intersection: bool,
}

impl Expressions<'_> {
    fn elements(&self, is_in: impl Fn(&Thing) -> bool) -> Vec<Element> {
        let things = self.things.iter().filter(|thing| is_in(thing));
        things.map(|thing| Element { values: self.family.values(thing), document: thing.id }).collect()
    }

    fn leaf(&mut self) -> (Value, Set) {
        let name = self.family.name();
        let leaf = |elements, partitions| Leaf { elements, partitions, is_reversed: false };
        match self.random.below(4) {
            0 if self.family == Family::Documents => {
                (json!({"documents": {"collection": "things"}}), Set::Leaf(leaf(self.elements(|_| true), 8)))
            }
            0 => (json!({"match": {"index": format!("{name}_all")}}), Set::Leaf(leaf(self.elements(|_| true), 8))),
            1 if self.family == Family::Sizes || self.family == Family::SizesDescending => {
                let (name, kind) = match self.family {
                    Family::Sizes => ("sizes_descending", *self.random.pick(KINDS)),
                    _ => ("sizes", *self.random.pick(KINDS)),
                };
                let source = json!({"match": {"index": format!("{name}_by_kind")}, "terms": kind});
                let elements = self.elements(|thing| thing.kind == kind);
                (json!({"reverse": source}), Set::Leaf(Leaf { elements, partitions: 1, is_reversed: true }))
            }
            _ => {
                let kind = *self.random.pick(KINDS);
                let elements = self.elements(|thing| thing.kind == kind);
                (json!({"match": {"index": format!("{name}_by_kind")}, "terms": kind}), Set::Leaf(leaf(elements, 1)))
            }
        }
    }

    /// The sets of the things whose `other` is among the weights of the things of a kind.
    fn join(&mut self) -> (Value, Set) {
        let kind = *self.random.pick(KINDS);
        let source = json!({"match": {"index": "sizes_by_kind"}, "terms": kind});
        let index = format!("{}_by_other", self.family.name());
        let with = json!({"lambda": "n", "expr": {"match": {"index": index}, "terms": {"var": "n"}}});
        let mut sources: Vec<&Thing> = self.things.iter().filter(|thing| thing.kind == kind).collect();
        sources.sort_by_key(|thing| (thing.size, thing.id));
        let target = |size: i64| {
            let elements = self.elements(|thing| thing.other == size);
            Set::Leaf(Leaf { elements, partitions: 1, is_reversed: false })
        };
        let targets = sources.iter().map(|thing| target(thing.size)).collect();
        (json!({"join": source, "with": with}), Set::Join(targets))
    }

    fn set(&mut self, depth: usize) -> (Value, Set) {
        let choice = if depth == 0 { 0 } else { self.random.below(10) };
        let count = 2 + self.random.below(2);
        let several = |this: &mut Self| -> (Vec<Value>, Vec<Set>) { (0..count).map(|_| this.set(depth - 1)).unzip() };
        match choice {
            0 => self.leaf(),
            1 | 2 => {
                let (wire, sets) = several(self);
                (json!({"union": wire}), Set::Union(sets))
            }
            3 if self.family != Family::SizesDescending => self.join(),
            4 => {
                self.has_intersection = true;
                let (wire, sets) = several(self);
                (json!({"intersection": wire}), Set::Intersection(sets))
            }
            5 => {
                let (wire, set) = self.set(depth - 1);
                (json!({"distinct": wire}), Set::Distinct(Box::new(set)))
            }
            _ => {
                let (wire, sets) = several(self);
                (json!({"difference": wire}), Set::Difference(sets))
            }
        }
    }
}

fn wire_cursor(cursor: &Element) -> Value {
    let document = json!({"ref": {"collection": "things"}, "id": cursor.document});
    cursor.values.iter().map(|value| json!(value)).chain([document]).collect()
}

fn cursor_of(shown: &Value) -> Element {
    let parts = shown.as_array().unwrap();
    let (document, values) = parts.split_last().unwrap();
    Element { values: values.iter().map(|value| value.as_i64().unwrap()).collect(), document: id_of(document) }
}

fn id_of(reference: &Value) -> i64 {
    reference.pointer("/@ref/id").and_then(Value::as_str).unwrap().parse().unwrap()
}

/// A page of the model as the endpoint shows one: of elements with values only those.
fn shown(page: &Page) -> (Vec<Vec<i64>>, Option<Element>, Option<Element>) {
    let element = |it: &Element| if it.values.is_empty() { vec![it.document] } else { it.values.clone() };
    (page.data.iter().map(element).collect(), page.before.clone(), page.after.clone())
}

fn got(resource: &Value) -> (Vec<Vec<i64>>, Option<Element>, Option<Element>) {
    let element = |it: &Value| match it {
        Value::Array(values) => values.iter().map(|value| value.as_i64().unwrap()).collect(),
        Value::Number(value) => vec![value.as_i64().unwrap()],
        reference => vec![id_of(reference)],
    };
    let data = resource["data"].as_array().unwrap().iter().map(element).collect();
    (data, resource.get("before").map(cursor_of), resource.get("after").map(cursor_of))
}

/// A query and the page that FaunaDB answers it with.
struct Expected {
    query: Value,
    page: Page,
}

/// Queries for pages of a random expression, each from a cursor of the page before.
fn pages_of_a_set(random: &mut Random, things: &[Thing], expected: &mut Vec<Expected>) {
    let family = *random.pick(FAMILIES);
    let mut expressions = Expressions { random, things, family, has_intersection: false };
    let (wire, set) = expressions.set(3);
    let size = if expressions.has_intersection { WHOLE } else { 1 + random.below(9) };
    let thing = random.pick(things);
    let any = Element { values: family.values(thing), document: thing.id };
    let mut cursor = if random.below(2) == 0 { None } else { Some(any) };
    for step in 0..PAGES {
        let ascending = cursor.is_none() || step < 2 || random.below(2) == 0;
        let inverted = family == Family::SizesDescending;
        let page = paginate(&set, &Reading { cursor: cursor.as_ref(), ascending, size, inverted, collection: 1024 });
        let mut query = json!({"paginate": wire, "size": size});
        if let Some(cursor) = &cursor {
            query[if ascending { "after" } else { "before" }] = wire_cursor(cursor);
        }
        let (before, after) = (page.before.clone(), page.after.clone());
        cursor = if random.below(3) == 0 { before.or(after) } else { after.or(before) };
        expected.push(Expected { query, page });
    }
}

#[test]
fn pages_of_set_expressions_are_those_of_faunadb() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let mut random = Random::new(4);
        let (admin, things) = fill(&endpoint, &mut random).await;
        let mut expected = Vec::new();
        for _ in 0..SETS {
            pages_of_a_set(&mut random, &things, &mut expected);
        }
        let (mut differing, mut count, mut cut) = (Vec::new(), 0, 0);
        for batch in expected.chunks(BATCH) {
            let queries: Value = batch.iter().map(|expected| expected.query.clone()).collect();
            let resources = endpoint.query(&admin, &queries).await;
            for (Expected { query, page }, resource) in batch.iter().zip(resources.as_array().unwrap()) {
                count += 1;
                cut += usize::from(page.after.is_some() && page.before.is_some());
                if got(resource) != shown(page) {
                    differing.push(format!("{query}\n   want {:?}\n   got  {:?}", shown(page), got(resource)));
                }
            }
        }
        assert!(count >= 1000 && cut >= 200, "{count} pages, {cut} of them in the middle");
        assert!(differing.is_empty(), "{} of {count} differ:\n{}", differing.len(), differing.join("\n"));
    });
}
