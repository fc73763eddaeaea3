//! How many CPUs a guest has and how they are arranged.

use crate::Error;
use std::fmt;
use std::str::FromStr;

/// Sockets, cores a socket, hardware threads a core, and NUMA nodes the CPUs are dealt to in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// CPU packages.
    pub sockets: u32,
    /// Cores in each package.
    pub cores: u32,
    /// Hardware threads (SMT siblings) of each core.
    pub threads: u32,
    /// NUMA nodes; 1 is a machine without NUMA.
    pub nodes: u32,
}

impl Topology {
    /// One socket of `cores` cores with `threads` siblings each: `smt(2, 2)` is 4 CPUs, siblings 0-1 and 2-3.
    pub const fn smt(cores: u32, threads: u32) -> Topology {
        Topology {
            sockets: 1,
            cores,
            threads,
            nodes: 1,
        }
    }

    /// One socket of `cpus` cores without SMT.
    pub const fn cpus(cpus: u32) -> Topology {
        Topology::smt(cpus, 1)
    }

    /// The same sockets, `sockets` times.
    pub const fn sockets(self, sockets: u32) -> Topology {
        Topology { sockets, ..self }
    }

    /// The same CPUs dealt to `nodes` NUMA nodes in order.
    pub const fn numa(self, nodes: u32) -> Topology {
        Topology { nodes, ..self }
    }

    /// The number of CPUs.
    pub const fn count(&self) -> u32 {
        self.sockets * self.cores * self.threads
    }

    /// QEMU's arguments for it, with `memory_mb` dealt to the nodes.
    pub fn arguments(&self, memory_mb: u32) -> Result<Vec<String>, Error> {
        let wrong = |why: String| Err(Error::Usage(format!("topology {self}: {why}")));
        let parts = [self.sockets, self.cores, self.threads];
        // Each part is small, so that count() cannot overflow.
        if parts.iter().any(|part| !(1..=64).contains(part)) || self.count() > 64 {
            return wrong("wants 1 to 64 CPUs and at least one socket, core and thread".into());
        }
        if self.nodes == 0 || !self.count().is_multiple_of(self.nodes) || memory_mb / self.nodes < 64 {
            return wrong(format!(
                "{} CPUs and {memory_mb} MB cannot be dealt to {} nodes",
                self.count(),
                self.nodes
            ));
        }
        let smp = format!(
            "{},sockets={},cores={},threads={}",
            self.count(),
            self.sockets,
            self.cores,
            self.threads
        );
        let memory = memory_mb / self.nodes;
        let mut arguments = vec!["-smp".into(), smp, "-m".into(), format!("{}M", memory * self.nodes)];
        let each = self.count() / self.nodes;
        for node in 0..self.nodes * u32::from(self.nodes > 1) {
            arguments.extend([
                "-object".into(),
                format!("memory-backend-ram,id=m{node},size={memory}M"),
            ]);
            let cpus = format!("{}-{}", node * each, (node + 1) * each - 1);
            arguments.extend(["-numa".into(), format!("node,nodeid={node},cpus={cpus},memdev=m{node}")]);
        }
        Ok(arguments)
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sockets={},cores={},threads={},nodes={}",
            self.sockets, self.cores, self.threads, self.nodes
        )
    }
}

impl FromStr for Topology {
    type Err = Error;

    /// Reads QEMU's own notation, `4,sockets=1,cores=2,threads=2`, and our `nodes=N`. A number alone means cores; a part left
    /// out is 1, and the number must agree with the parts.
    fn from_str(text: &str) -> Result<Topology, Error> {
        let wrong = || {
            Error::Usage(format!(
                "{text:?} is no topology: write 4 or 4,sockets=1,cores=2,threads=2,nodes=1"
            ))
        };
        let mut topology = Topology::smt(1, 1);
        let (mut total, mut named) = (None, false);
        for part in text.split(',') {
            let (name, value) = part.split_once('=').unwrap_or(("cpus", part));
            let value: u32 = value.parse().map_err(|_| wrong())?;
            named |= matches!(name, "sockets" | "cores" | "threads");
            match name {
                "cpus" => total = Some(value),
                "sockets" => topology.sockets = value,
                "cores" => topology.cores = value,
                "threads" => topology.threads = value,
                "nodes" => topology.nodes = value,
                _ => return Err(wrong()),
            }
        }
        if !named {
            topology.cores = total.ok_or_else(wrong)?;
        }
        topology.arguments(1 << 20)?;
        if total.is_some_and(|total| total != topology.count()) {
            return Err(wrong());
        }
        Ok(topology)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemus_notation_is_read() {
        assert_eq!("4".parse::<Topology>().ok(), Some(Topology::cpus(4)));
        assert_eq!(
            "4,sockets=1,cores=2,threads=2".parse::<Topology>().ok(),
            Some(Topology::smt(2, 2))
        );
        assert_eq!(
            "8,sockets=2,cores=2,threads=2,nodes=2".parse().ok(),
            Some(Topology::smt(2, 2).sockets(2).numa(2))
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "0",
            "x",
            "4,cores=3",
            "4,coers=4",
            "65",
            "4,nodes=3",
            "cores=4294967295,threads=2",
        ] {
            assert!(text.parse::<Topology>().is_err(), "{text}");
        }
    }

    #[test]
    fn nodes_share_cpus_and_memory_in_order() {
        let arguments = Topology::cpus(4).numa(2).arguments(512).unwrap_or_default().join(" ");
        assert!(arguments.contains("-m 512M"), "{arguments}");
        assert!(arguments.contains("node,nodeid=1,cpus=2-3,memdev=m1"), "{arguments}");
    }
}
