//! Where the binaries under test are.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

/// Returns the path of the `narthex` binary that belongs to this test binary.
///
/// # Panics
/// When it is not there. Cargo builds it before it runs the core's tests and benchmarks.
pub fn narthex() -> PathBuf {
    let path = profile_folder().join(format!("narthex{}", env::consts::EXE_SUFFIX));
    assert!(path.exists(), "no {}: build it first", path.display());
    path
}

/// Returns the path of the scripted server. Cargo builds it with the workspace, but not with a
/// package whose tests merely depend on the testkit; where it is missing or older than its sources,
/// the first use in a process has Cargo build it.
///
/// # Panics
/// When it cannot be built.
pub fn scripted_server() -> &'static Path {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    SERVER.get_or_init(|| {
        if let Some(path) = env::var_os("NARTHEX_TESTKIT_SERVER") {
            return path.into();
        }
        let folder = profile_folder();
        let server = folder.join(format!("narthex-testkit-server{}", env::consts::EXE_SUFFIX));
        let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
        if changed(&server) > newest(sources) {
            return server;
        }
        let name = folder.file_name().and_then(|name| name.to_str());
        let profile = match name {
            None | Some("debug") => "dev",
            Some(name) => name,
        };
        let target = folder.parent().expect("the target folder has its place");
        let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "--bin", "narthex-testkit-server"])
            .args(["--package", "narthex-testkit", "--profile", profile])
            .arg("--manifest-path")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .arg("--target-dir")
            .arg(target)
            .status();
        assert!(
            status.as_ref().is_ok_and(std::process::ExitStatus::success),
            "the scripted server cannot be built: {status:?}"
        );
        folder.join(format!("narthex-testkit-server{}", env::consts::EXE_SUFFIX))
    })
}

/// Returns when the newest file below `folder` was changed.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let times = entries.map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            newest(&path)
        } else {
            changed(&path)
        }
    });
    times.max().flatten()
}

fn changed(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|file| file.modified()).ok()
}

/// Returns `target/{profile}`: the folder above `deps`, where tests and benchmarks are.
fn profile_folder() -> PathBuf {
    let own = env::current_exe().expect("a running program has a path");
    let folder = own.parent().expect("a program is in a folder");
    if folder.ends_with("deps") {
        folder.parent().expect("`deps` is in a folder").to_owned()
    } else {
        folder.to_owned()
    }
}
