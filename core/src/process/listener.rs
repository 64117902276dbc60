use std::net::SocketAddr;

/// Returns the process that listens at `address`, as `PROGRAM (process PID)`, where that can be
/// found out: on Linux, of processes of the same person.
pub fn listener_at(address: SocketAddr) -> Option<String> {
    #[cfg(target_os = "linux")]
    {
        linux::listener_at(address)
    }
    #[cfg(not(target_os = "linux"))]
    {
        // Elsewhere the system tells this only by ways that need rights we do not have.
        let _ = address;
        None
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{fs, net::SocketAddr};

    /// The state LISTEN in `/proc/net/tcp`.
    const LISTEN: &str = "0A";

    pub(super) fn listener_at(address: SocketAddr) -> Option<String> {
        let inode = inode_of(address)?;
        let socket = format!("socket:[{inode}]");
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let pid = pids.into_iter().find(|pid| {
            let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))
                .into_iter()
                .flatten()
                .flatten();
            descriptors
                .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
                .any(|target| target.as_os_str() == socket.as_str())
        })?;
        let program = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some(format!("{} (process {pid})", program.trim()))
    }

    /// Finds the socket by its port; which of this machine's own addresses it has is no matter.
    fn inode_of(address: SocketAddr) -> Option<String> {
        let table = fs::read_to_string(if address.is_ipv4() {
            "/proc/net/tcp"
        } else {
            "/proc/net/tcp6"
        })
        .ok()?;
        let port = format!(":{:04X}", address.port());
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_it = fields.get(1)?.ends_with(&port) && *fields.get(3)? == LISTEN;
            is_it.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
        })
    }
}
