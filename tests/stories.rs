//! The real daemon against real processes, sockets and containers, through its public faces only.

mod answers;
mod api;
mod availability;
mod command_line;
mod configuration;
mod containers;
mod crashes;
mod daemon;
mod docker;
mod events;
mod guards;
mod heartbeats;
mod hints;
mod histories;
mod hostile;
mod kills;
mod ladder;
mod network;
mod probes;
mod receivers;
mod recreation;
mod scale;
mod search_server;
mod shipping;
mod storage;
mod tls;
