//! One handle to a core, for the command line and the bridge.
