//! The harness by hand: find and fetch kernels, build one, run a command in a guest.

use ghostsched_vm::{Cgroup, Clock, Error, Exit, Kernel, Release, Scenario, Vm, cache, kernel_build, static_binary};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
Boots a kernel in QEMU, runs one program in it and prints what that printed.

  ghostsched-vm kernels                find all kernels, fetching what is missing, and list them
  ghostsched-vm build 6.12|7.x         build a kernel with core scheduling from Debian's source (about 7 minutes)
  ghostsched-vm run [OPTION]... -- COMMAND [ARGUMENT]...

COMMAND is a static program of this host (a path), a program of this workspace (its name: ghostsched), or, with busybox
installed, one of its tools: sh -c 'uname -r'.

  --kernel 6.1|6.12|7.x|IMAGE          (default 6.12); stock-6.12 and so on for Debian's own
  --smp 4,sockets=1,cores=2,threads=2  CPUs as QEMU writes them; nodes=2 for NUMA
  --memory MB                          (default 1024)
  --clock single|multi|counted         (default single); counted: two runs give the same bytes
  --timeout SECONDS                    (default 60)
  --cgroup v1|v2                       the cpu controller's hierarchy (default v2)
  --file HOST:GUEST                    pack a file; may be given again
  --env NAME=VALUE                     may be given again
  --cmdline 'WORDS'                    more words for the kernel
  --console                            print the console too, on standard error
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.first().map(String::as_str) {
        Some("kernels") => kernels(),
        Some("build") => build(words.get(1).map_or("", String::as_str)),
        Some("run") => run(&words[1..]),
        Some("--help" | "-h") | None => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        Some(word) => Err(Error::Usage(format!(
            "{word}: no such command: write kernels, build, run or --help"
        ))),
    };
    result.unwrap_or_else(|error| {
        eprintln!("ghostsched-vm: {error}");
        ExitCode::FAILURE
    })
}

fn kernels() -> Result<ExitCode, Error> {
    println!("in {}:", cache::kernels()?.display());
    let mut code = ExitCode::SUCCESS;
    for release in Release::ALL {
        match Kernel::find(release) {
            Ok(kernel) => println!("{release:<5} {kernel:<32} {}", kernel.path().display()),
            Err(error) => {
                println!("{release:<5} {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

fn build(release: &str) -> Result<ExitCode, Error> {
    println!("{}", kernel_build::build(release.parse()?)?.display());
    Ok(ExitCode::SUCCESS)
}

fn run(words: &[String]) -> Result<ExitCode, Error> {
    let split = words.iter().position(|word| word == "--");
    let (options, command) = split.map_or((words, &[][..]), |at| (&words[..at], &words[at + 1..]));
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| Error::Usage("run wants -- COMMAND at the end".into()))?;
    let mut scenario = find_program(program)?.args(arguments);
    let mut vm = None;
    let mut settings: Vec<Box<dyn FnOnce(Vm) -> Vm>> = Vec::new();
    let mut console = false;
    let mut rest = options.iter();
    while let Some(name) = rest.next() {
        if name == "--console" {
            console = true;
            continue;
        }
        let value = rest
            .next()
            .ok_or_else(|| Error::Usage(format!("{name}: unknown, or wants a value: see --help")))?;
        let wrong = || Error::Usage(format!("{name} {value}: not understood: see --help"));
        let pair = |at: char| value.split_once(at).ok_or_else(wrong);
        let number = || value.parse::<u32>().map_err(|_| wrong());
        match name.as_str() {
            "--kernel" => vm = Some(Vm::new(find_kernel(value)?)),
            "--smp" => {
                let topology = value.parse()?;
                settings.push(Box::new(move |vm| vm.topology(topology)));
            }
            "--memory" => {
                let mb = number()?;
                settings.push(Box::new(move |vm| vm.memory_mb(mb)));
            }
            "--timeout" => {
                let limit = Duration::from_secs(number()?.into());
                settings.push(Box::new(move |vm| vm.timeout(limit)));
            }
            "--clock" => {
                let clock = match value.as_str() {
                    "single" => Clock::Single,
                    "multi" => Clock::Multi,
                    "counted" => Clock::Counted,
                    _ => return Err(wrong()),
                };
                settings.push(Box::new(move |vm| vm.clock(clock)));
            }
            "--cmdline" => {
                let words = value.clone();
                settings.push(Box::new(move |vm| vm.cmdline(&words)));
            }
            "--cgroup" => match value.as_str() {
                "v1" => scenario = scenario.cgroup(Cgroup::V1),
                "v2" => scenario = scenario.cgroup(Cgroup::V2),
                _ => return Err(wrong()),
            },
            "--file" => scenario = pair(':').map(|(host, inside)| scenario.file(host, inside))?,
            "--env" => scenario = pair('=').map(|(name, value)| scenario.env(name, value))?,
            _ => return Err(wrong()),
        }
    }
    let vm = vm.map_or_else(|| Kernel::find(Release::V6_12).map(Vm::new), Ok)?;
    let vm = settings.into_iter().fold(vm, |vm, set| set(vm));
    let output = vm.run(&scenario)?;
    if console || !output.exit.success() {
        eprint!("{}", output.console);
    }
    std::io::stdout()
        .write_all(&output.stdout)
        .map_err(Error::io("write to", Path::new("standard output")))?;
    eprintln!(
        "ghostsched-vm: kernel {}: the program {}; guest booted in {} ms and ran {} ms; {} ms in all",
        vm.kernel(),
        output.exit,
        output.boot.as_millis(),
        output.ran.as_millis(),
        output.wall.as_millis()
    );
    Ok(match output.exit {
        Exit::Status(status) => ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)),
        Exit::Signal(signal) => ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
    })
}

fn find_kernel(name: &str) -> Result<Kernel, Error> {
    match name.strip_prefix("stock-") {
        Some(release) => Kernel::stock(release.parse()?),
        None if name.contains('/') => Kernel::at(Path::new(name)),
        None => Kernel::find(name.parse()?),
    }
}

fn find_program(name: &str) -> Result<Scenario, Error> {
    if name.contains('/') {
        return Ok(Scenario::program(name));
    }
    if name.starts_with("ghostsched") {
        return Ok(Scenario::program(static_binary(name)?));
    }
    Scenario::command(&format!("/bin/{name}")).shell()
}
