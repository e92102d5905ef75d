//! The programs of builder: the only place that touches sockets, files, processes and time.
