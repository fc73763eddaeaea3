//! Boots a kernel in QEMU with a chosen CPU topology, runs one static program in it and returns what it printed.
//!
//! ```no_run
//! use ghostsched_vm::{Kernel, Release, Scenario, Topology, Vm, static_binary};
//!
//! let vm = Vm::new(Kernel::find(Release::V6_12)?).topology(Topology::smt(2, 2));
//! let report = vm.run(&Scenario::program(static_binary("ghostsched")?).args(["latency", "--for", "2s", "--json"]))?.json()?;
//! # Ok::<(), ghostsched_vm::Error>(())
//! ```
//!
//! | module | what it is | uses |
//! |---|---|---|
//! | [`vm`] | a machine, a scenario, its output | all below |
//! | [`kernel`] | which kernels there are, and where to find them | `cache`, `debian` |
//! | [`debian`] | Debian packages through a private apt state | `sources`, `progress` |
//! | [`kernel_build`] | a kernel built from Debian's `linux-source` and a committed fragment | `debian`, `progress` |
//! | [`static_build`] | our own programs and tests, linked so that they run without a file system | |
//! | [`qemu`] | the command line and the process | `topology` |
//! | [`guest`] | what the host tells init and what init answers | |
//! | [`cpio`], [`elf`], [`console`], [`topology`], [`progress`] | one format or one idea each | |
//!
//! Nothing here touches the machine's own package lists, and nothing needs root.

pub mod cache;
pub mod console;
pub mod cpio;
pub mod debian;
pub mod elf;
pub mod error;
pub mod guest;
pub mod kernel;
pub mod kernel_build;
pub mod progress;
pub mod qemu;
pub mod skip;
pub mod sources;
pub mod static_build;
pub mod topology;
pub mod vm;

pub use error::Error;
pub use guest::{Cgroup, Exit};
pub use kernel::{Flavour, Kernel, Release};
pub use qemu::Clock;
pub use skip::skip;
pub use static_build::{static_binary, static_example, static_test_binary};
pub use topology::Topology;
pub use vm::{Output, Scenario, Vm};
