//! The load script of the examples.

use clap::Parser as _;

use crate::world::World;
use run::{Kind, Plan};

#[path = "../../examples/load/histogram.rs"]
mod histogram;
#[path = "../../examples/load/run.rs"]
mod run;

async fn report(world: &World, options: &[&str]) -> run::Report {
    let base = world.base();
    let plan = Plan::try_parse_from(["load", &base].into_iter().chain(options.iter().copied())).unwrap();
    run::run(&plan).await.unwrap()
}

fn count(report: &run::Report, kind: Kind) -> u64 {
    report.answered.get(&kind).map_or(0, histogram::Histogram::count)
}

#[actix_rt::test]
async fn the_load_script_reports_what_was_answered_and_what_was_not() {
    let mut world = World::with(&[("INSECURE_NO_THROTTLE", "true")]).await;
    let closed = report(&world, &["--users", "2", "--seconds", "0.5"]).await;
    assert!(!closed.has_failures(), "{closed}");
    assert!([Kind::Session, Kind::List, Kind::Visitor].into_iter().all(|kind| count(&closed, kind) > 0), "{closed}");
    // The same users again, who sign in this time. An address may end with a slash, and needs a scheme.
    let slash = Plan::try_parse_from(["load", &format!("{}/", world.base())]).unwrap();
    assert_eq!(slash.site, world.base());
    assert!(Plan::try_parse_from(["load", "localhost:3000"]).is_err());
    let options = ["--users", "2", "--seconds", "0.5", "--rate", "40", "--mix", "refresh=1,like=1,signin=1"];
    let open = report(&world, &options).await;
    assert!(!open.has_failures(), "{open}");
    let kinds = [Kind::Refresh, Kind::Like, Kind::SignIn];
    assert!(kinds.into_iter().all(|kind| count(&open, kind) > 0), "{open}");
    assert!(kinds.into_iter().map(|kind| count(&open, kind)).sum::<u64>() <= 20, "{open}");
    let base = world.base();
    let plan = Plan::try_parse_from(["load", &base, "--users", "1"]).unwrap();
    world.stop().await;
    assert!(run::run(&plan).await.is_err(), "a site that is not there");
    world.resume().await;
    assert!(Plan::try_parse_from(["load", &base, "--mix", "session"]).is_err());
}
