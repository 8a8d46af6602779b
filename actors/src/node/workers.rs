//! What operators see of the process and its workers (WK4, WK5). Workers are threads of one
//! process: its resources are told once, and of each worker the CPU time of its thread.
#![allow(unsafe_code, reason = "getrusage has no safe door in std")]

use starling_proto::rest::{ResourceUsage, WorkerInfo, WorkersInfo};

use super::actor::NodeTree;

impl NodeTree {
    pub(super) fn workers_info(&self) -> WorkersInfo {
        let workers = self.shared.cores().into_iter().map(|(index, core)| {
            let counters = core.handle.counters();
            let sockets: Vec<_> = core.handle.local_addrs().iter().map(|(_, at)| *at).collect();
            let tcp_servers = if core.handle.listens_tcp() { sockets.clone() } else { Vec::new() };
            WorkerInfo {
                index: u32::try_from(index).unwrap_or(u32::MAX),
                dead: core.handle.is_dead(),
                cpu_seconds: counters.cpu.as_secs_f64(),
                busy: counters.busy,
                longest_turn_ms: counters.longest_turn.as_secs_f64() * 1e3,
                udp_sockets: sockets,
                tcp_servers,
                peers: u32::try_from(core.peers()).unwrap_or(u32::MAX),
                transports: counters.plane.transports,
                producers: counters.plane.producers,
                consumers: counters.plane.consumers,
            }
        });
        WorkersInfo {
            pid: std::process::id(),
            resource_usage: resource_usage(),
            router_ids: self.rooms.keys().cloned().collect(),
            workers: workers.collect(),
        }
    }
}

/// Of the whole process.
fn resource_usage() -> ResourceUsage {
    // SAFETY: `rusage` is plain numbers: all zeroes are one, and the call overwrites them.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let ms = |time: libc::timeval| time.tv_sec * 1_000 + time.tv_usec / 1_000;
    ResourceUsage {
        ru_utime: ms(usage.ru_utime),
        ru_stime: ms(usage.ru_stime),
        ru_maxrss: usage.ru_maxrss,
        ru_ixrss: usage.ru_ixrss,
        ru_idrss: usage.ru_idrss,
        ru_isrss: usage.ru_isrss,
        ru_minflt: usage.ru_minflt,
        ru_majflt: usage.ru_majflt,
        ru_nswap: usage.ru_nswap,
        ru_inblock: usage.ru_inblock,
        ru_oublock: usage.ru_oublock,
        ru_msgsnd: usage.ru_msgsnd,
        ru_msgrcv: usage.ru_msgrcv,
        ru_nsignals: usage.ru_nsignals,
        ru_nvcsw: usage.ru_nvcsw,
        ru_nivcsw: usage.ru_nivcsw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_uses_memory() {
        let usage = resource_usage();
        assert!(usage.ru_maxrss > 1_000, "{usage:?}");
        assert!(usage.ru_minflt > 0, "{usage:?}");
    }
}
