//! A hostile guest for tests: any device behind the transport must survive it, and work after a reset.
//!
//! A device's tests call [`survives`]; what the guest does is random but drawn towards what is almost right.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::driver::{Driver, EVENT_IDX, NEEDS_RESET, RUNNING, VERSION_1};
use super::{Broken, Queues, VirtioDevice};
use crate::bus::{Access, MmioDevice, Pa, Poll, Size};

#[derive(Debug, Clone)]
enum Act {
    Register(u64, u32),
    Config(u64, Size, u64),
    Descriptor { queue: usize, index: u16, at: u64, len: u32, flags: u16, next: u16 },
    Data(u64, Vec<u8>),
    Ring { queue: usize, half_word: u64, value: u16 },
    Offer(usize, u16),
    Notify(u32),
    Start(u64),
    Poll,
}

fn lengths() -> impl Strategy<Value = u32> {
    let near_power = (0u32..32, -1i64..=1).prop_map(|(k, d)| ((1i64 << k) + d) as u32);
    prop_oneof![4 => 0u32..64, 2 => near_power, 1 => Just(u32::MAX), 1 => any::<u32>()]
}

fn addresses() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0x4020_0000u64..0x4020_1000,
        2 => 0x4000_0000u64..0x4001_0000,
        1 => 0x407f_fff0u64..0x4080_0010,
        1 => Just(0x0a00_0000),
        1 => Just(u64::MAX - 7),
        1 => any::<u64>(),
    ]
}

fn acts(queues: usize) -> impl Strategy<Value = Act> {
    let values = prop_oneof![0u32..16, lengths(), 0x4000_0000u32..0x4000_8000];
    let size = prop_oneof![Just(Size::B1), Just(Size::B2), Just(Size::B4)];
    let descriptor = (0..queues, 0u16..18, addresses(), lengths(), 0u16..8, 0u16..18);
    prop_oneof![
        3 => ((0u64..0x40).prop_map(|r| r * 4), values).prop_map(|(r, v)| Act::Register(r, v)),
        1 => (0u64..0x100, size, any::<u64>()).prop_map(|(at, size, v)| Act::Config(at, size, v)),
        6 => descriptor.prop_map(|(queue, index, at, len, flags, next)| {
            Act::Descriptor { queue, index, at, len, flags, next }
        }),
        3 => (0x4020_0000u64..0x4020_1000, prop::collection::vec(prop_oneof![0u8..16, any::<u8>()], 1..80))
            .prop_map(|(at, bytes)| Act::Data(at, bytes)),
        1 => (0..queues, 0u64..40, 0u16..20).prop_map(|(queue, half_word, value)| Act::Ring { queue, half_word, value }),
        4 => (0..queues, 0u16..17).prop_map(|(queue, head)| Act::Offer(queue, head)),
        4 => (0..queues as u32 + 1).prop_map(Act::Notify),
        2 => prop_oneof![Just(0), Just(u64::MAX), any::<u64>()].prop_map(Act::Start),
        1 => Just(Act::Poll),
    ]
}

fn act<D: VirtioDevice>(d: &mut Driver<D>, act: Act) {
    match act {
        Act::Register(register, value) => {
            d.write(register, value);
            d.read(register);
        }
        Act::Config(at, size, value) => {
            let at = Access::new(0x100 + at / size.bytes() * size.bytes(), size);
            d.mmio.write(at, value & size.mask());
            d.mmio.read(at);
        }
        Act::Descriptor { queue, index, at, len, flags, next } => {
            d.descriptor(d.table(queue), index, Pa(at), len, flags, next);
        }
        Act::Data(at, bytes) => d.poke(at, &bytes),
        Act::Ring { queue, half_word, value } => {
            d.poke(d.avail_ring(queue).0 + 2 * half_word, &value.to_le_bytes());
        }
        Act::Offer(queue, head) => d.offer(queue, head),
        Act::Notify(queue) => d.write(0x50, queue),
        Act::Start(wanted) => {
            d.write(0x70, 0);
            d.forget_rings();
            let offered = d.offered();
            d.negotiate(wanted & offered | VERSION_1);
            for queue in 0..d.mmio.device().queue_sizes().len() {
                d.set_up(queue);
            }
            d.write(0x70, RUNNING);
        }
        Act::Poll => {
            d.mmio.poll(0);
        }
    }
}

/// Lets a hostile guest at fresh devices; each must be as new after a reset.
pub fn survives<D: VirtioDevice>(make: impl Fn() -> D) {
    let queues = make().queue_sizes().len();
    let smallest = make().queue_sizes().iter().copied().min().unwrap_or(16).min(16);
    let config = Config { cases: 256, failure_persistence: None, ..Config::default() };
    let attacks = prop::collection::vec(acts(queues), 1..80);
    let result = TestRunner::new(config).run(&attacks, |attack| {
        let mut d = Driver::new(make());
        d.size = smallest;
        d.start(EVENT_IDX);
        for one in attack {
            act(&mut d, one);
            prop_assert_eq!(d.line(), d.read(0x60) != 0, "the wire is the interrupt status");
        }
        act(&mut d, Act::Start(0));
        prop_assert_eq!(d.read(0x70), RUNNING);
        for queue in 0..queues {
            d.notify(queue);
        }
        d.mmio.poll(0);
        prop_assert_eq!(d.read(0x70) & NEEDS_RESET, 0);
        Ok(())
    });
    if let Err(why) = result {
        panic!("{why}");
    }
}

/// A device that trusts its driver.
struct Careless;

impl VirtioDevice for Careless {
    fn device_id(&self) -> u32 {
        1
    }
    fn queue_sizes(&self) -> &[u16] {
        &[16]
    }
    fn features(&self) -> u64 {
        0
    }
    fn config_read(&self, _: usize, _: &mut [u8]) {}
    fn notify(&mut self, index: usize, queues: &mut Queues) -> Result<(), Broken> {
        while let Some(chain) = queues.pop(index)? {
            let _: u32 = chain.reader().object().expect("a request has a header");
        }
        Ok(())
    }
    fn reset(&mut self) {}
}

#[test]
#[should_panic(expected = "a request has a header")]
fn a_careless_device_does_not_survive() {
    survives(|| Careless);
}
