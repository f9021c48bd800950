//! `cargo xtask bench-compare`: gapless beside other engines, from nothing to the page and the picture in `docs/`.
//!
//! It makes the tools (a virtual environment with the engines in pinned versions, the package `gapless` in release, the test of the
//! memory), the data, and then runs the programs of `benches/compare`. All but the page and the picture lies under `target/`, and is
//! used again by the next run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::peers::{self, run};

const USAGE: &str = "\
Usage: cargo xtask bench-compare --scale XS|S|M|L [--data DIR] [--stores DIR] [--out FILE] [OPTIONS]

  --data DIR     the generated data; default target/peers
  --stores DIR   the engines' stores; default target/compare/stores
  --out FILE     the figures, which a run adds to; default target/compare/results.json
  OPTIONS        go to benches/compare/bench.py: --engines a,b  --queries Q1,Q7b  --phases load,size,warm,cold,ingest
                 --tests I1,I4  --drop-store  --quiet SECONDS  --nice N  --reps N  --reload  --timeout SECONDS

XS prints its table; the larger scales write docs/comparison.md and docs/comparison.svg as well.";

/// What was asked for.
struct Request {
    scale: String,
    data: PathBuf,
    stores: PathBuf,
    out: PathBuf,
    /// What only the runner needs to know.
    rest: Vec<String>,
}

impl Request {
    fn parse(root: &Path, arguments: &[&str]) -> Option<Self> {
        let work = root.join("target/compare");
        let (mut scale, mut rest) = (None, Vec::new());
        let (mut data, mut stores, mut out) =
            (peers::data(root), work.join("stores"), work.join("results.json"));
        let mut arguments = arguments.iter();
        while let Some(&argument) = arguments.next() {
            match argument {
                "--scale" => scale = Some((*arguments.next()?).to_owned()),
                "--data" => data = PathBuf::from(arguments.next()?),
                "--stores" => stores = PathBuf::from(arguments.next()?),
                "--out" => out = PathBuf::from(arguments.next()?),
                "--help" | "-h" => return None,
                other => rest.push(other.to_owned()),
            }
        }
        Some(Self {
            scale: scale.filter(|scale| ["XS", "S", "M", "L"].contains(&scale.as_str()))?,
            data,
            stores,
            out,
            rest,
        })
    }

    /// Whether gapless is among the engines.
    fn is_about_gapless(&self) -> bool {
        let engines = self
            .rest
            .iter()
            .skip_while(|option| *option != "--engines")
            .nth(1);
        engines.is_none_or(|engines| engines.split(',').any(|engine| engine == "gapless"))
    }
}

/// The chore.
pub fn bench(root: &Path, arguments: &[&str]) -> ExitCode {
    let Some(request) = Request::parse(root, arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match compare(root, &request) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn compare(root: &Path, request: &Request) -> Result<(), String> {
    let folder = root.join("benches/compare");
    let work = root.join("target/compare");
    let venv = Venv(work.join("venv"));
    venv.make(&folder.join("requirements.txt"))?;
    if request.is_about_gapless() {
        venv.install_gapless(root)?;
    }
    if !request.data.join(&request.scale).join("meta.json").is_file() {
        run(venv
            .python()
            .arg(folder.join("gen.py"))
            .args(["--scale", &request.scale, "--out"])
            .arg(&request.data))?;
    }
    let mut bench = venv.python();
    bench
        .arg(folder.join("bench.py"))
        .args(["--scale", &request.scale]);
    for (option, path) in [
        ("--data", &request.data),
        ("--stores", &request.stores),
        ("--out", &request.out),
    ] {
        bench.arg(option).arg(path);
    }
    if let Some(program) = memory_test(&folder, &work) {
        bench.arg("--membw").arg(program);
    }
    run(bench.args(&request.rest))?;
    if request.scale == "XS" {
        return Ok(());
    }
    run(venv
        .python()
        .arg(folder.join("report.py"))
        .arg(&request.out)
        .args(["--scale", &request.scale, "--table"])
        .arg(root.join("docs/comparison.md"))
        .arg("--plot")
        .arg(root.join("docs/comparison.svg")))
}

/// A virtual environment.
struct Venv(PathBuf);

impl Venv {
    fn python(&self) -> Command {
        let mut command = Command::new(self.0.join("bin/python"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// Installs the pinned packages, unless these very ones were installed.
    fn make(&self, requirements: &Path) -> Result<(), String> {
        let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        let installed = self.0.join("requirements.txt");
        if read(&installed).ok() == Some(read(requirements)?) {
            return Ok(());
        }
        println!("--- engines");
        run(Command::new("python3").args(["-m", "venv"]).arg(&self.0))?;
        run(self
            .python()
            .args(["-m", "pip", "install", "--quiet", "-r"])
            .arg(requirements))?;
        std::fs::copy(requirements, &installed)
            .map(|_| ())
            .map_err(|error| format!("{}: {error}", installed.display()))
    }

    /// Builds the package in release and installs it; nothing is compiled that has not changed.
    fn install_gapless(&self, root: &Path) -> Result<(), String> {
        println!("--- package");
        let mut path: OsString = self.0.join("bin").into();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        run(self
            .python()
            .env("PATH", path)
            .args(["-m", "pip", "install", "--quiet", "--no-build-isolation"])
            .args(["--no-deps", "--force-reinstall"])
            .arg(root.join("python")))
    }
}

/// Compiles the test of the memory's bandwidth. A machine without a C compiler does without it.
fn memory_test(folder: &Path, work: &Path) -> Option<PathBuf> {
    let program = work.join("membw");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let compiled = run(Command::new(compiler)
        .args(["-O3", "-march=native", "-pthread"])
        .arg(folder.join("membw.c"))
        .arg("-o")
        .arg(&program));
    match compiled {
        Ok(()) => Some(program),
        Err(reason) => {
            println!("no memory bandwidth is told: {reason}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Option<Request> {
        Request::parse(Path::new("/r"), &line.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn options_of_the_runner_are_passed_on() {
        let request =
            request("--scale S --engines duckdb,numpy --data d --drop-store --quiet 5").expect("parses");
        assert_eq!(
            (request.scale.as_str(), request.data.as_path()),
            ("S", Path::new("d"))
        );
        assert_eq!(
            request.rest,
            ["--engines", "duckdb,numpy", "--drop-store", "--quiet", "5"]
        );
        assert_eq!(request.stores, Path::new("/r/target/compare/stores"));
    }

    #[test]
    fn the_package_is_built_only_for_runs_of_gapless() {
        let is_about_gapless = |line: &str| request(line).expect("parses").is_about_gapless();
        assert!(is_about_gapless("--scale S"));
        assert!(is_about_gapless("--scale S --engines duckdb,gapless"));
        assert!(!is_about_gapless("--scale S --engines duckdb,polars-ipc"));
    }

    #[test]
    fn a_scale_is_needed_and_must_be_one_that_there_is() {
        assert!(request("--engines numpy").is_none());
        assert!(request("--scale XXL").is_none());
        assert!(request("--scale").is_none());
    }
}
