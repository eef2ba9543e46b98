//! Walks the chains of a ledger and looks at what they rest on: nodes, indexes, keys and the schema.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::LedgerError;
use super::chain::{Damage, Flaw, MOST_FLAWS, NOTHING_BEFORE, Verdict, Walk};
use super::draft::{self, EntryHead, Kind};
use super::keyring::HIDING;
use super::prune::Pruning;
use super::reads::Reads;
use super::row::Row;
use super::shelf::{Node, Stretch};

/// Rows that are read at once, so that a long walk neither holds up other readers nor fills the memory.
const PAGE: u32 = 16;

/// Rows at the end of a chain that are checked when a ledger is opened.
const TAIL: i64 = 64;

/// A node's chain, as far as it has been walked.
struct Chain {
    node: Node,
    walk: Walk,
    seen: Seen,
}

impl Chain {
    /// A chain of which the rows up to those of the walk are known.
    fn after(node: Node, walk: Walk) -> Self {
        Self { node, walk, seen: Seen::default() }
    }
}

/// A node that is not listed, though there are records of it.
fn unlisted(number: i64) -> Node {
    Node { number, name: format!("node {number}"), head: (0, NOTHING_BEFORE), pruned: 0 }
}

impl Reads<'_> {
    /// Checks the last rows of every chain against each other: what a crash would have hurt.
    pub(super) fn tails(&self) -> Result<Option<Flaw>, LedgerError> {
        for node in self.shelf.nodes()? {
            let from = node.head.0.saturating_sub(TAIL).max(node.pruned);
            let anchor = match from {
                0 => NOTHING_BEFORE,
                seq if seq == node.pruned => self.shelf.hash(node.number, seq)?.unwrap_or(NOTHING_BEFORE),
                seq => match self.shelf.stretch(node.number, seq - 1, 1)? {
                    Stretch { rows, .. } if rows.first().is_some_and(|row| row.seq == seq) => {
                        rows.first().map_or(NOTHING_BEFORE, Row::sealed)
                    }
                    // Removed since: the walk passes over it.
                    Stretch { node: Some(now), .. } if now.pruned >= seq => NOTHING_BEFORE,
                    _ => return Ok(Some(Flaw::Missing(seq))),
                },
            };
            let mut chain = Chain::after(node, Walk::after(from, anchor));
            self.walk(&mut chain)?;
            let name = chain.node.name.clone();
            if let Some(flaw) = chain.walk.end(name).flaws.first() {
                return Ok(Some(*flaw));
            }
        }
        Ok(None)
    }

    /// Walks every chain from its beginning, and looks at what they rest on.
    pub(super) fn verify(&self) -> Result<Verdict, LedgerError> {
        // In this order: a node that enters meanwhile is listed before it writes.
        let writers = self.shelf.writers()?;
        let nodes = self.shelf.nodes()?;
        let listed: BTreeSet<i64> = nodes.iter().map(|node| node.number).collect();
        let mut chains: BTreeMap<i64, Chain> = BTreeMap::new();
        for node in nodes.into_iter().chain(writers.into_iter().filter(|it| !listed.contains(it)).map(unlisted)) {
            chains.insert(node.number, Chain::after(node, Walk::after(0, NOTHING_BEFORE)));
        }
        for chain in chains.values_mut() {
            self.walk(chain)?;
        }
        let removed = self.untold(&mut chains)?;
        let mut verdict = Verdict { damage: self.damage(&chains, &listed)?, ..Verdict::default() };
        for (number, mut chain) in chains {
            verdict.entries += chain.seen.entries;
            verdict.feedback += chain.seen.feedback;
            verdict.pruned += u64::try_from(chain.node.pruned).unwrap_or_default();
            verdict.policy_sets.append(&mut chain.seen.policy_sets);
            let mut walked = chain.walk.end(chain.node.name);
            if let Some(through) = removed.get(&number) {
                walked.flaws.insert(0, Flaw::Removed(*through));
            }
            verdict.chains.push(walked);
        }
        Ok(verdict)
    }

    /// The nodes of which records were removed and no pruning tells of it, and the last of those records.
    ///
    /// A pruning is kept before anything is removed, and perhaps on a chain that had been walked by then: where none is
    /// found, the chains are walked on.
    fn untold(&self, chains: &mut BTreeMap<i64, Chain>) -> Result<HashMap<i64, i64>, LedgerError> {
        let pruned: Vec<(i64, i64)> = chains.values().map(|chain| (chain.node.number, chain.node.pruned)).collect();
        if without_a_pruning(chains, &pruned).is_empty() {
            return Ok(HashMap::new());
        }
        for chain in chains.values_mut() {
            self.walk(chain)?;
        }
        Ok(without_a_pruning(chains, &pruned))
    }

    /// What is wrong with what the chains rest on.
    fn damage(&self, chains: &BTreeMap<i64, Chain>, listed: &BTreeSet<i64>) -> Result<Vec<Damage>, LedgerError> {
        // Nodes are numbered from 1 without a gap, and whoever opens a ledger for the first time is one.
        let last = chains.keys().last().copied().unwrap_or_default().max(1);
        let missing = (1..=last).filter(|number| !listed.contains(number)).take(MOST_FLAWS);
        let mut damage: Vec<Damage> = missing.map(Damage::NoNode).collect();
        let mut needed: BTreeSet<i64> = chains.values().flat_map(|chain| chain.seen.keys.iter().copied()).collect();
        if !needed.is_empty() {
            needed.insert(HIDING);
        }
        let kept: BTreeSet<i64> = self.shelf.keys()?.iter().map(|key| key.number).collect();
        damage.extend(needed.difference(&kept).take(MOST_FLAWS).copied().map(Damage::NoKey));
        damage.extend(self.shelf.misshapen()?.into_iter().take(MOST_FLAWS).map(Damage::Schema));
        Ok(damage)
    }

    /// Walks on to the end. What is appended meanwhile may or may not be walked; what is pruned meanwhile is passed over
    /// once its hashes are there.
    fn walk(&self, chain: &mut Chain) -> Result<(), LedgerError> {
        loop {
            let stretch = self.shelf.stretch(chain.node.number, chain.walk.seq(), PAGE)?;
            if let Some(node) = stretch.node {
                chain.node = node;
            }
            let (walk, node) = (&mut chain.walk, &chain.node);
            if let Some(removed) = stretch.removed {
                if removed.last.is_none() || removed.hashes != node.pruned {
                    walk.found(Flaw::Missing(node.pruned));
                }
                walk.skip(node.pruned, removed.last.unwrap_or(NOTHING_BEFORE));
            }
            for row in &stretch.rows {
                // One that is whole and that nobody can read was sealed by somebody else.
                if walk.step(row) && chain.seen.take(row).is_err() {
                    walk.found(Flaw::Changed(row.seq));
                }
                if row.seq == node.head.0 && row.sealed() != node.head.1 {
                    walk.found(Flaw::Changed(row.seq));
                }
            }
            for seq in stretch.hidden {
                walk.found(Flaw::Hidden(seq));
            }
            if stretch.rows.len() < PAGE as usize {
                if walk.seq() < node.head.0 {
                    walk.found(Flaw::Missing(walk.seq().saturating_add(1)));
                }
                return Ok(());
            }
        }
    }
}

/// Those of the nodes whose records up to a place were removed of which no pruning that was walked tells.
fn without_a_pruning(chains: &BTreeMap<i64, Chain>, pruned: &[(i64, i64)]) -> HashMap<i64, i64> {
    let mut told: HashMap<i64, i64> = HashMap::new();
    for (number, through) in chains.values().flat_map(|chain| &chain.seen.prunings) {
        let told = told.entry(*number).or_default();
        *told = (*through).max(*told);
    }
    let told = |number: &i64| told.get(number).copied().unwrap_or_default();
    pruned.iter().copied().filter(|(number, through)| *through > told(number)).collect()
}

/// What a walk has come by.
#[derive(Default)]
struct Seen {
    entries: u64,
    feedback: u64,
    prunings: Vec<(i64, i64)>,
    keys: BTreeSet<i64>,
    policy_sets: BTreeSet<String>,
}

impl Seen {
    fn take(&mut self, row: &Row) -> Result<(), LedgerError> {
        if row.key != 0 {
            self.keys.insert(row.key);
        }
        match row.kind()? {
            Kind::Entry => {
                self.entries += 1;
                let set = draft::head::<EntryHead>(row)?.policy_set;
                if !self.policy_sets.contains(&set) {
                    self.policy_sets.insert(set);
                }
            }
            Kind::Feedback => self.feedback += 1,
            Kind::Look => {}
            Kind::Pruning => self.prunings.extend(draft::head::<Pruning>(row)?.through),
        }
        Ok(())
    }
}
