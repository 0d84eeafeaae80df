//! How many executions run at once. Each node holds functions to its share of the limits, rounded up.

use parking_lot::Mutex;
use stator_catalog::{CONCURRENCY_MAX, Catalog, Function, FunctionId};
use stator_lambda::ThrottleReason;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Default)]
struct Running {
    /// Of functions that have concurrency reserved, and of others.
    by_function: BTreeMap<FunctionId, u32>,
    /// Of functions that have none.
    unreserved: u32,
}

/// The executions of this node.
#[derive(Clone, Default)]
pub(crate) struct Concurrency(Arc<Mutex<Running>>);

/// One execution, counted until it is dropped.
pub(crate) struct Execution {
    of: Concurrency,
    function: FunctionId,
    is_reserved: bool,
}

impl Concurrency {
    /// Counts one more execution of the function, or says why there is none more to have.
    pub fn begin(&self, function: &Function, catalog: &Catalog) -> Result<Execution, ThrottleReason> {
        let nodes = u32::try_from(catalog.joined_nodes().count().max(1)).unwrap_or(u32::MAX);
        let mut running = self.0.lock();
        let of_function = running.by_function.get(&function.id).copied().unwrap_or_default();
        let is_reserved = match function.reserved_concurrency {
            Some(reserved) if of_function >= reserved.div_ceil(nodes) => return Err(ThrottleReason::Reserved),
            Some(_) => true,
            None => {
                let reserved = catalog.functions().filter_map(|function| function.reserved_concurrency);
                let left = CONCURRENCY_MAX.saturating_sub(reserved.fold(0, u32::saturating_add));
                if running.unreserved >= left.div_ceil(nodes) {
                    return Err(ThrottleReason::Region);
                }
                running.unreserved += 1;
                false
            }
        };
        running.by_function.insert(function.id, of_function + 1);
        Ok(Execution { of: self.clone(), function: function.id, is_reserved })
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        let mut running = self.of.0.lock();
        if !self.is_reserved {
            running.unreserved = running.unreserved.saturating_sub(1);
        }
        let left = running.by_function.get(&self.function).copied().unwrap_or_default().saturating_sub(1);
        match left {
            0 => running.by_function.remove(&self.function),
            left => running.by_function.insert(self.function, left),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stator_catalog::{
        Change, ClusterIdentity, FunctionChange, FunctionChangeKind, FunctionCode, FunctionConfiguration, FunctionSpec,
        Logging, NodeStart, Secret, Stamp, UploadedCode,
    };

    /// A cluster of so many nodes with the functions `f`, which has so many executions reserved, and `g`, which has none.
    fn cluster(nodes: u64, reserved: u32) -> Catalog {
        let mut catalog = Catalog::default();
        let node = |number: u64| NodeStart {
            directory: u128::from(number),
            start_counter: 1,
            peer_address: String::new(),
            client_address: String::new(),
            zone: String::new(),
            version: String::new(),
            format: 1,
        };
        let identity = ClusterIdentity {
            cluster_id: 7,
            region: "us-east-1".into(),
            account_id: "000000000000".into(),
            authority: Secret(bytes::Bytes::new()),
        };
        let mut changes = vec![Change::InitCluster { identity, node: node(1) }];
        changes.extend((2..=nodes).map(|number| Change::AddNode { node: node(number), token: None }));
        let change = |name: &str, what| {
            Change::Function(Box::new(FunctionChange { function: name.into(), what, revision: 0, if_revision: None }))
        };
        for name in ["f", "g"] {
            let configuration = FunctionConfiguration {
                runtime: "python3.12".into(),
                role: String::new(),
                handler: "app.handle".into(),
                description: String::new(),
                timeout_s: 3,
                memory_mb: 128,
                ephemeral_mb: 512,
                environment: None,
                is_traced: false,
                logging: Logging { is_json: false, application_level: None, system_level: None, group: None },
                dead_letter: None,
            };
            let spec = FunctionSpec { name: name.into(), configuration, is_arm: false, tags: BTreeMap::new() };
            let code = UploadedCode { code: FunctionCode { sha256: [0; 32], bytes: 1 }, uploaded_ms: 0 };
            let (spec, publish) = (Box::new(spec), false);
            changes.push(change(name, FunctionChangeKind::Create { spec, code, publish, code_bytes_max: None }));
        }
        changes.push(change("f", FunctionChangeKind::ReserveConcurrency(Some(reserved))));
        for change in changes {
            catalog.step(change, &Stamp { now_ms: 0 }).expect("the change is made");
        }
        catalog
    }

    #[test]
    fn a_node_holds_functions_to_its_share() {
        for (nodes, reserved, share) in [(1, 2, 2), (3, 2, 1), (3, 7, 3), (1, 0, 0)] {
            let catalog = cluster(nodes, reserved);
            let (f, g) = (catalog.function("f").expect("made"), catalog.function("g").expect("made"));
            let concurrency = Concurrency::default();
            let running: Vec<Execution> = (0..share).filter_map(|_| concurrency.begin(f, &catalog).ok()).collect();
            assert_eq!(running.len(), share, "{nodes} nodes, {reserved} reserved");
            assert_eq!(concurrency.begin(f, &catalog).err(), Some(ThrottleReason::Reserved));
            drop(running);
            assert_eq!(concurrency.begin(f, &catalog).is_ok(), share > 0, "what has ended counts no more");

            let left = (CONCURRENCY_MAX - reserved).div_ceil(u32::try_from(nodes).expect("few"));
            let running: Vec<Execution> = (0..left).filter_map(|_| concurrency.begin(g, &catalog).ok()).collect();
            assert_eq!(running.len(), left as usize);
            assert_eq!(concurrency.begin(g, &catalog).err(), Some(ThrottleReason::Region));
            assert_eq!(concurrency.begin(f, &catalog).is_ok(), share > 0, "what is reserved is left");
        }
    }
}
