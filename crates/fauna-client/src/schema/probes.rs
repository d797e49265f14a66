//! Queries that only succeed if the application's key has the privileges to read that a module declares.

use serde_json::Value;

use super::{Declarations, Definition, Privilege};
use crate::fql;
use crate::fql::Expr;

/// An id that no document has: Fauna and this crate give longer ones.
const NO_ID: &str = "1";

/// One query for each collection and index that the application's key may read without a condition. They change nothing.
/// Those of collections end with [`Error::NotFound`](crate::Error::NotFound) if the privilege is there.
pub fn read_probes(modules: &[Declarations]) -> Vec<Expr> {
    let definitions: Vec<&Definition> = modules.iter().flat_map(|module| &module.definitions).collect();
    let privileges = modules.iter().flat_map(|module| &module.backend);
    privileges.filter(|privilege| privilege.reads_everything()).filter_map(|one| probe(one, &definitions)).collect()
}

impl Privilege {
    fn reads_everything(&self) -> bool {
        self.actions.iter().any(|(action, permission)| *action == "read" && *permission.wire() == true)
    }
}

fn probe(privilege: &Privilege, definitions: &[&Definition]) -> Option<Expr> {
    let resource = privilege.resource.wire();
    let name = |kind: &str| resource.get(kind).and_then(Value::as_str);
    if let Some(collection) = name("collection") {
        // Pages and `exists` just leave out what may not be read; `get` refuses it even where there is no such document.
        return Some(fql::get(fql::document(collection, NO_ID)));
    }
    if resource.get("tokens").is_some() {
        return Some(fql::get(fql::token(NO_ID)));
    }
    let index = name("index")?;
    let definition = definitions.iter().find(|definition| definition.reference.wire() == resource)?;
    let terms = definition.params.wire().pointer("/object/terms").and_then(Value::as_array).map_or(0, Vec::len);
    let none = || Expr::from("");
    let set = match terms {
        0 => fql::all_of(index),
        1 => fql::matching(index, [none()]),
        _ => fql::matching(index, [(0..terms).map(|_| none()).collect::<Expr>()]),
    };
    Some(fql::paginate(set, 1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{collection, index};

    #[test]
    fn what_is_read_without_condition_is_probed() {
        let module = Declarations {
            definitions: vec![
                collection("notes"),
                index("notes_by_two", fql::collection("notes")).terms([&["data", "a"], &["data", "b"]]).any(),
                index("all_notes", fql::collection("notes")).any(),
            ],
            member: Vec::new(),
            backend: vec![
                Privilege::on(fql::collection("notes")).allow("delete").allow("read"),
                Privilege::on(fql::index("notes_by_two")).allow("read"),
                Privilege::on(fql::index("all_notes")).allow_if("read", fql::lambda("_", true.into())),
                Privilege::on(fql::function("f")).allow("call"),
            ],
        };
        let probes: Vec<Value> = read_probes(&[module]).iter().map(|probe| probe.wire().clone()).collect();
        assert_eq!(
            probes,
            [
                json!({"get": {"ref": {"collection": "notes"}, "id": "1"}}),
                json!({"paginate": {"match": {"index": "notes_by_two"}, "terms": ["", ""]}, "size": 1}),
            ]
        );
    }
}
