//! Two servers on one database, under names of their own and under one name.

use std::time::Instant;

use super::load::{Load, all_are_kept_once, archive, promised};
use crate::support::{Place, postgres};

/// Two servers under load; how many chains there are.
fn together(one: &str, other: &str) -> usize {
    let Some(database) = postgres::shared() else { return 0 };
    let (place, url) = (Place::empty(), database.url());
    let environment =
        |node| [("COVENANT_LISTEN", "127.0.0.1:0"), ("COVENANT_LEDGER_URL", &url), ("COVENANT_LEDGER_NODE", node)];
    let servers = [one, other].map(|node| place.serve_in(&environment(node)));
    let loads = servers.each_ref().map(|server| Load::on(server, 3));
    for load in &loads {
        load.answers(40, Instant::now());
    }
    let promised: Vec<String> = loads.into_iter().flat_map(|load| promised(load.end(), "nothing")).collect();
    let kept = all_are_kept_once(&archive(&database), &promised);
    assert_eq!(kept, promised.len());
    let said = place.run_in(&environment(one), &["ledger", "verify"]).succeeded();
    let chains = if one == other { "the chain holds" } else { "the chains of 2 nodes hold" };
    assert!(said.contains(chains), "{said}");
    println!("nodes {one} and {other}: {kept} kept, 0 twice");
    database.ask("SELECT node FROM ledger_nodes WHERE seq > 0").len()
}

#[test]
fn two_nodes_never_give_one_id_twice_and_each_has_a_chain_that_holds() {
    assert!([0, 2].contains(&together("a", "b")));
}

#[test]
fn two_servers_of_one_name_wait_for_each_other_and_have_one_chain_that_holds() {
    assert!([0, 1].contains(&together("a", "a")));
}
