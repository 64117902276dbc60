//! What a client needs of a home folder: where its core listens, and the credential for it. Both
//! are only read; making them is the core's business.

use std::{fs, io, net::SocketAddr, path::PathBuf};

use super::ClientError;
use crate::{
    home::{self, Home},
    server::Secret,
};

/// Returns where the core that holds the home listens.
///
/// # Errors
/// [`ClientError::NoCore`] when nobody holds it, and when who does is not listening yet.
pub(crate) fn address(home: &Home) -> Result<SocketAddr, ClientError> {
    let holder = home::holder(home).ok_or(ClientError::NoCore)?;
    let address = holder.address.and_then(|address| address.parse().ok());
    address.ok_or(ClientError::NoCore)
}

/// Reads a credential.
pub(crate) fn credential(path: PathBuf) -> Result<Secret, ClientError> {
    match fs::read_to_string(&path).map(|text| text.trim().to_owned()) {
        Ok(token) if !token.is_empty() => Ok(Secret::new(token)),
        Ok(_) => Err(ClientError::Credential {
            path,
            source: io::ErrorKind::InvalidData.into(),
        }),
        Err(source) => Err(ClientError::Credential { path, source }),
    }
}
