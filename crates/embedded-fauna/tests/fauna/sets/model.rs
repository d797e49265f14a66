//! A model of how FaunaDB reads sets: everything at once, as lists of pages.
//!
//! It follows `fauna.model.*Set`, `fauna.lang.PageMerger` and `fauna.ast.ReadAdaptor.paginate` of FaunaDB's source.

use std::cmp::Ordering;
use std::collections::VecDeque;

/// An entry of an index, or a document where there are no values.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    pub values: Vec<i64>,
    pub document: i64,
}

/// The entries of a set that is not made of others.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub elements: Vec<Element>,
    pub partitions: usize,
    /// Read from the other end.
    pub is_reversed: bool,
}

#[derive(Clone, Debug)]
pub enum Set {
    Leaf(Leaf),
    Union(Vec<Set>),
    Intersection(Vec<Set>),
    Difference(Vec<Set>),
    Distinct(Box<Set>),
    /// The sets that the elements of the source lead to.
    Join(Vec<Set>),
}

/// A page as the endpoint returns it.
#[derive(Debug, PartialEq)]
pub struct Page {
    pub data: Vec<Element>,
    pub before: Option<Element>,
    pub after: Option<Element>,
}

/// The order and the part in which a set is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'r> {
    pub cursor: Option<&'r Element>,
    pub ascending: bool,
    pub size: usize,
    /// Whether the order of the values is inverted in all sets.
    pub inverted: bool,
    /// The number of the collection, which partitions depend on.
    pub collection: i64,
}

type Pages = Vec<Vec<Element>>;
/// Leaves some elements of a group.
type Select<'s> = &'s dyn Fn(&Group) -> Vec<Element>;
type Compare<'c> = &'c dyn Fn(&Element, &Element) -> Ordering;

impl Reading<'_> {
    fn by_values(&self, a: &Element, b: &Element) -> Ordering {
        if self.inverted { b.values.cmp(&a.values) } else { a.values.cmp(&b.values) }
    }

    fn by_tuple(&self, a: &Element, b: &Element) -> Ordering {
        self.by_values(a, b).then(a.document.cmp(&b.document))
    }

    /// The order of merges, turned with the direction.
    fn snapshot_order(&self, a: &Element, b: &Element) -> Ordering {
        let order = if a.values.is_empty() { a.document.cmp(&b.document) } else { self.by_values(a, b) };
        if self.ascending { order } else { order.reverse() }
    }
}

pub fn paginate(set: &Set, reading: &Reading<'_>) -> Page {
    let wanted = (reading.size + 1).max(if matches!(set, Set::Intersection(_) | Set::Difference(_)) { 8 } else { 1 });
    let elements = snapshot(set, reading, wanted).concat();
    let is_dropped = |element: &&Element| {
        reading.cursor.is_some_and(|cursor| reading.ascending != reading.by_tuple(element, cursor).is_ge())
    };
    let mut elements: Vec<Element> = elements.iter().skip_while(is_dropped).cloned().collect();
    let next = if reading.ascending { reading.size } else { reading.size - 1 };
    let next = elements.get(next).filter(|_| elements.len() > reading.size).cloned();
    elements.truncate(reading.size);
    let given = reading.cursor.cloned();
    if reading.ascending {
        Page { data: elements, before: given, after: next }
    } else {
        elements.reverse();
        Page { data: elements, before: next, after: given }
    }
}

fn snapshot(set: &Set, reading: &Reading<'_>, size: usize) -> Pages {
    let all = |sets: &[Set]| -> Vec<Pages> { sets.iter().map(|set| snapshot(set, reading, size)).collect() };
    let order = |a: &Element, b: &Element| reading.snapshot_order(a, b);
    match set {
        Set::Leaf(leaf) => read(leaf, reading, size),
        Set::Union(sets) => merge(all(sets), &order, Some(&most)),
        Set::Difference(sets) => merge(all(sets), &order, Some(&only_first)),
        Set::Join(sets) => {
            let mut targets = all(sets);
            if !reading.ascending {
                targets.reverse();
            }
            merge(targets, &order, Some(&last))
        }
        Set::Intersection(sets) => {
            // The document of a cursor does not count, unless there is nothing else.
            let document = if reading.ascending { i64::MIN } else { i64::MAX };
            let whole = reading.cursor.filter(|cursor| !cursor.values.is_empty());
            let whole = whole.map(|cursor| Element { document, ..cursor.clone() });
            let reading = Reading { cursor: whole.as_ref().or(reading.cursor), ..*reading };
            let all = sets.iter().map(|set| snapshot(set, &reading, size).concat());
            vec![common(&all.collect::<Vec<_>>(), &order)]
        }
        Set::Distinct(source) => aligned(&snapshot(source, reading, size)).iter().map(|page| distinct(page)).collect(),
    }
}

fn read(leaf: &Leaf, reading: &Reading<'_>, size: usize) -> Pages {
    // The source of a reversed set has the inverse order of values and is read in the other direction.
    let source = Reading { inverted: reading.inverted != leaf.is_reversed, ..*reading };
    let ascending = reading.ascending != leaf.is_reversed;
    let order = |a: &Element, b: &Element| {
        let order = source.by_tuple(a, b);
        if ascending { order } else { order.reverse() }
    };
    let mut elements: Vec<Element> = leaf.elements.clone();
    // To a reversed set the value 0 alone is the place before all documents.
    let cursor = reading.cursor.filter(|cursor| !leaf.is_reversed || cursor.values != [0]);
    // A place before or after all documents stays one when the set is turned round.
    let edge = if ascending { i64::MIN } else { i64::MAX };
    let is_edge = |cursor: &&Element| leaf.is_reversed && [i64::MIN, i64::MAX].contains(&cursor.document);
    let turned = cursor.filter(is_edge).map(|cursor| Element { document: edge, ..cursor.clone() });
    let cursor = turned.as_ref().or(cursor);
    elements.retain(|element| cursor.is_none_or(|cursor| order(element, cursor).is_ge()));
    elements.sort_by(order);
    if leaf.partitions == 1 {
        return pages(&elements, size);
    }
    // One fifth more than its share is read of each partition.
    let share = (size * 12).div_ceil(leaf.partitions * 10);
    let mut parts = vec![Vec::new(); leaf.partitions];
    for element in elements {
        parts[partition(element.document, reading.collection, leaf.partitions)].push(element);
    }
    merge(parts.iter().map(|part| pages(part, share)).collect(), &order, None)
}

fn pages(elements: &[Element], size: usize) -> Pages {
    if elements.is_empty() { vec![Vec::new()] } else { elements.chunks(size).map(<[Element]>::to_vec).collect() }
}

/// Scala's `MurmurHash3.bytesHash` of 256 bytes: CBOR of the ten bytes of a document's id, then zeros.
fn partition(document: i64, collection: i64, partitions: usize) -> usize {
    let mut bytes = vec![0x4a];
    bytes.extend(document.to_be_bytes());
    bytes.extend(&collection.to_be_bytes()[6..]);
    bytes.push(0);
    let mut hash: u32 = 0x3c07_4a61;
    for block in bytes.chunks(4) {
        let mut k = block.iter().rev().fold(0_u32, |k, byte| k << 8 | u32::from(*byte));
        k = k.wrapping_mul(0xcc9e_2d51);
        k = k.rotate_left(15);
        k = k.wrapping_mul(0x1b87_3593);
        hash ^= k;
        hash = hash.rotate_left(13);
        hash = hash.wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    for _block_of_zeros in bytes.len() / 4..64 {
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    hash ^= 256;
    for (shift, factor) in [(16, 0x85eb_ca6b_u32), (13, 0xc2b2_ae35), (16, 1)] {
        hash ^= hash >> shift;
        hash = hash.wrapping_mul(factor);
    }
    usize::try_from(hash.cast_signed().unsigned_abs()).unwrap() % partitions
}

/// Elements of one group and the streams they come from, the last one first.
type Group = [(Element, usize)];

/// The elements of the stream that has most, the first of those.
fn most(group: &Group) -> Vec<Element> {
    let streams = group.iter().map(|(_, stream)| *stream).max().unwrap() + 1;
    let of = |number: usize| group.iter().filter(move |(_, stream)| *stream == number).map(|(element, _)| element);
    let mut best: Vec<Element> = Vec::new();
    for number in 0..streams {
        if of(number).count() > best.len() {
            best = of(number).cloned().collect();
        }
    }
    best
}

fn only_first(group: &Group) -> Vec<Element> {
    let is_first = group.iter().all(|(_, stream)| *stream == 0);
    if is_first { group.iter().map(|(element, _)| element.clone()).collect() } else { Vec::new() }
}

fn last(group: &Group) -> Vec<Element> {
    vec![group[0].0.clone()]
}

/// A stream in the queue: its number, what is left of its page, and the pages after it.
type Entry = (usize, VecDeque<Element>, Option<VecDeque<Vec<Element>>>);

/// `scala.collection.mutable.PriorityQueue`: a heap whose greatest element is at place 1.
struct Queue<'q> {
    entries: Vec<Entry>,
    order: Compare<'q>,
}

impl Queue<'_> {
    /// Whether `a` is less than `b`, the one to be taken first being the greatest.
    fn is_less(&self, a: usize, b: usize) -> bool {
        let head = |place: usize| self.entries[place - 1].1.front();
        match (head(a), head(b)) {
            (Some(a), Some(b)) => (self.order)(b, a).is_lt(),
            (a, b) => a.is_some() && b.is_none(),
        }
    }

    fn enqueue(&mut self, entry: Entry) {
        self.entries.push(entry);
        let mut k = self.entries.len();
        while k > 1 && self.is_less(k / 2, k) {
            self.entries.swap(k / 2 - 1, k - 1);
            k /= 2;
        }
    }

    /// Reads the next page of a stream, and of those that have five elements left or fewer.
    fn fetch(&mut self, stream: usize, next: VecDeque<Vec<Element>>) {
        let mut fetched = vec![(stream, next)];
        for (stream, left, mut next) in std::mem::take(&mut self.entries) {
            if left.len() <= 5 {
                fetched.extend(next.take().map(|next| (stream, next)));
            }
            self.enqueue((stream, left, next));
        }
        for (stream, pages) in fetched {
            self.enqueue(entry(stream, pages));
        }
    }

    fn dequeue(&mut self) -> Entry {
        let first = self.entries.swap_remove(0);
        let (mut k, n) = (1, self.entries.len());
        while n >= 2 * k {
            let mut j = 2 * k;
            if j < n && self.is_less(j, j + 1) {
                j += 1;
            }
            if !self.is_less(k, j) {
                break;
            }
            self.entries.swap(k - 1, j - 1);
            k = j;
        }
        first
    }
}

fn entry(stream: usize, mut pages: VecDeque<Vec<Element>>) -> Entry {
    let page = pages.pop_front().unwrap_or_default();
    (stream, page.into(), (!pages.is_empty()).then_some(pages))
}

/// `PageMerger.result`, with groups that `select` looks through, or without.
fn merge(streams: Vec<Pages>, order: Compare<'_>, select: Option<Select<'_>>) -> Pages {
    let mut queue = Queue { entries: Vec::new(), order };
    for (stream, pages) in streams.into_iter().enumerate() {
        queue.enqueue(entry(stream, pages.into()));
    }
    let (mut result, mut page, mut group): (Pages, Vec<Element>, Vec<(Element, usize)>) = Default::default();
    while !queue.entries.is_empty() {
        let first = queue.dequeue();
        if first.1.is_empty() {
            let Some(next) = first.2 else { continue };
            result.push(std::mem::take(&mut page));
            queue.fetch(first.0, next);
            continue;
        }
        let mut slice = Vec::new();
        while !queue.entries.is_empty() {
            let candidate = queue.dequeue();
            if !candidate.1.front().is_some_and(|head| order(head, &first.1[0]).is_eq()) {
                queue.enqueue(candidate);
                break;
            }
            slice.insert(0, candidate);
        }
        slice.insert(0, first);
        for (stream, left, _) in &mut slice {
            let element = left.pop_front().unwrap();
            let Some(select) = select else {
                page.push(element);
                continue;
            };
            if group.first().is_some_and(|(last, _)| order(last, &element).is_ne()) {
                page.extend(select(&group));
                group.clear();
            }
            group.insert(0, (element, *stream));
        }
        for entry in slice {
            queue.enqueue(entry);
        }
    }
    if let (Some(select), false) = (select, group.is_empty()) {
        page.extend(select(&group));
    }
    result.push(page);
    result
}

/// Elements of the first stream as far as all others have equal ones.
fn common(streams: &[Vec<Element>], order: Compare<'_>) -> Vec<Element> {
    let mut others: Vec<VecDeque<Element>> = streams[1..].iter().cloned().map(VecDeque::from).collect();
    let mut found = Vec::new();
    for element in &streams[0] {
        let take = |other: &mut VecDeque<Element>| {
            while other.front().is_some_and(|head| order(head, element).is_lt()) {
                other.pop_front();
            }
            other.front().is_some_and(|head| order(head, element).is_eq())
        };
        let having = others.iter_mut().map(take).filter(|has| *has).count();
        if having == others.len() {
            for other in &mut others {
                other.pop_front();
            }
            found.push(element.clone());
        }
    }
    found
}

fn are_same(a: &Element, b: &Element) -> bool {
    a.values == b.values && (!a.values.is_empty() || a.document == b.document)
}

/// `Page.alignBy`: no page ends between elements that are the same.
fn aligned(pages: &Pages) -> Pages {
    let (mut result, mut group): (Pages, Vec<Element>) = Default::default();
    for (number, page) in pages.iter().enumerate() {
        if number == pages.len() - 1 {
            group.extend(page.iter().cloned());
            result.push(std::mem::take(&mut group));
            break;
        }
        let mut complete = Vec::new();
        for element in page {
            if group.last().is_some_and(|last| !are_same(last, element)) {
                complete.append(&mut group);
            }
            group.push(element.clone());
        }
        if !complete.is_empty() {
            result.push(complete);
        }
    }
    result
}

fn distinct(page: &[Element]) -> Vec<Element> {
    let mut kept: Vec<Element> = Vec::new();
    for element in page {
        if !kept.last().is_some_and(|last| are_same(last, element)) {
            kept.push(element.clone());
        }
    }
    kept
}
