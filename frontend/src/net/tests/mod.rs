//! The network as a guest sees it: the guest is another smoltcp stack, the world beyond is this machine's loopback.

mod datagrams;
mod frames;
mod guest;
mod streams;
mod throughput;
