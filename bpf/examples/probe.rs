use ghostsched_bpf::{Options, Profiler, snapshot::Method};
use ghostsched_core::latency::Kind;
fn main() {
    let method = match std::env::args().nth(1).as_deref() { Some("clock") => Some(Method::Clock), Some("log") => Some(Method::Log), _ => None };
    let secs: u64 = std::env::args().nth(2).and_then(|s| s.parse().ok()).unwrap_or(2);
    let t = std::time::Instant::now();
    let mut p = match Profiler::attach(Options { method, ..Default::default() }) {
        Ok(p) => p,
        Err(e) => { eprintln!("{e}\n{}", ghostsched_bpf::object::take_warnings()); return; }
    };
    println!("attached in {:?}", t.elapsed());
    std::thread::sleep(std::time::Duration::from_secs(secs));
    let s = p.snapshot().unwrap();
    for g in &s.groups {
        println!("{:20} waits {} max {} {:?} on {} ({}) sleep {} block {} missed {} {}", g.path, g.stats.kind(Kind::Wait).count(), g.stats.kind(Kind::Wait).max_ns(), g.stats.parts(),
            g.stats.kind(Kind::On).sum_ns(), g.stats.kind(Kind::On).count(), g.stats.kind(Kind::Sleep).count(), g.stats.kind(Kind::Block).count(), g.stats.missed_waits, g.stats.missed_ns);
    }
    println!("{:?}\n{:?}\n{:#?}", s.matrix, s.in_progress, s.quality);
}
