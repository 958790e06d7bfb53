//! Debian's `gdb-multiarch` debugs a bare-metal program and Debian's kernel; clients that misbehave leave the guest alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use handset_tests::console::Console;
use handset_tests::emulator::{Emulator, Machine};
use handset_tests::gdb::{Client, Gdb, framed, framed_bytes};
use handset_tests::guest::{self, Scratch};
use handset_tests::rounds;

const SHORT: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(180);

/// A machine that goes round for ever, and waits for a debugger.
fn going_round(scratch: &Scratch, smp: u32) -> (Console, PathBuf) {
    let (image, socket) = (scratch.file("Image"), scratch.file("gdb"));
    std::fs::write(&image, rounds::program()).expect("room for a program");
    (Emulator::Handset.start(&Machine::program(&image).smp(smp).gdb(&socket)), socket)
}

#[test]
fn gdb_debugs_a_bare_metal_program() {
    let scratch = Scratch::new("gdb-bare");
    let (machine, socket) = going_round(&scratch, 2);
    let mut gdb = Gdb::connect(&socket, None);
    let (at, store) = (rounds::ROUNDS, rounds::STORE);
    gdb.expect("info threads", "Thread 1.2 (off)");
    assert_eq!(gdb.number("$pc"), rounds::ENTRY);
    gdb.ask(&format!("hbreak *{store:#x}"));
    gdb.expect("continue", "Breakpoint 1, ");
    gdb.expect("x/i $pc", "str\tx0, [x1]");
    gdb.ask("delete");
    gdb.ask(&format!("break *{store:#x}"));
    gdb.expect("continue", "Breakpoint 2, ");
    gdb.ask("delete");

    gdb.ask(&format!("watch *(long *){at:#x}"));
    let said = gdb.expect("continue", "Old value = ");
    assert!(said.contains("New value = "), "{said}");
    assert_eq!(gdb.number("$pc"), store + 4, "gdb has made the step that the store is");
    gdb.ask("delete");
    gdb.ask(&format!("rwatch *(long *){at:#x}"));
    gdb.expect("continue", "Value = ");
    assert_eq!(gdb.number("$pc"), rounds::LOAD + 4);
    gdb.ask("delete");
    gdb.ask(&format!("awatch *(long *){at:#x}"));
    gdb.expect("continue", "alue = ");
    gdb.ask("delete");

    gdb.ask(&format!("set var $pc = {:#x}", rounds::LOOP));
    gdb.ask("set var $x0 = 41");
    gdb.ask("stepi");
    assert_eq!((gdb.number("$x0"), gdb.number("$pc")), (42, rounds::LOOP + 4));
    gdb.expect("p $cpsr", "EL=1");
    gdb.expect("p/x $CurrentEL", "0x4");
    gdb.ask("set var $v3.d.u[1] = 7");
    assert_eq!(gdb.number("$v3.d.u[1]"), 7);
    gdb.ask("set var $TPIDR_EL0 = 0x1234");
    assert_eq!(gdb.number("$TPIDR_EL0"), 0x1234);
    gdb.expect("x/x 0x10000000", "Cannot access memory");
    gdb.expect("info mem", "0x8000000000000000");

    gdb.expect("monitor info", "* CPU 0: EL1, PC 0x40200078");
    gdb.expect("monitor translate 0x40200000", "-> 0x40200000");
    gdb.expect("monitor phys 0x40200038 4", "0x0040200038: 41 52 4d 64");
    gdb.expect("monitor phys 0x9000000", "register of uart");
    gdb.expect("monitor irq", "CPU 1: IRQ low");
    gdb.ask("monitor trace on 4");
    gdb.ask("stepi 4");
    gdb.expect("monitor trace", "str x0, [x1");
    gdb.ask("monitor trace off");
    gdb.expect("monitor frobnicate", "translate VA");

    gdb.begin("continue");
    std::thread::sleep(Duration::from_millis(300));
    gdb.interrupt();
    let said = gdb.end(SHORT);
    assert!(said.contains("SIGINT"), "{said}");
    gdb.expect("info threads", "Thread 1.2 (EL1, ");
    gdb.ask("thread 2");
    gdb.ask("set scheduler-locking on");
    let pcs = (gdb.number("$pc"), gdb.ask("thread apply 1 p $pc"));
    gdb.ask("stepi");
    assert_ne!(gdb.number("$pc"), pcs.0);
    assert_eq!(gdb.ask("thread apply 1 p $pc").split(" = ").nth(1), pcs.1.split(" = ").nth(1), "CPU 0 is locked");

    gdb.ask("monitor reset");
    gdb.ask("maintenance flush register-cache");
    gdb.ask("thread 1");
    assert_eq!(gdb.number("$pc"), rounds::ENTRY);
    gdb.expect("detach", "detached");
    drop(gdb);
    let mut gdb = Gdb::connect(&socket, None);
    assert!(gdb.number(&format!("*(long *){at:#x}")) > 0, "it went round while nobody looked");
    gdb.expect("kill", "killed");
    assert_eq!(machine.end(SHORT).code(), Some(0), "the exit status after gdb's kill");
}

/// A program for Linux that counts at an address and lets others run, for ever: an ELF file, the address of its store, and
/// where it counts.
fn counting() -> (Vec<u8>, u64, u64) {
    const BASE: u64 = 0x40_0000;
    // movz x1, 0x41, lsl 16; ldr x0, [x1]; add x0, x0, 1; str x0, [x1]; movz x8, 124 (sched_yield); svc 0; b to the load
    let code = [0xd2a0_0821u32, 0xf940_0020, 0x9100_0400, 0xf900_0020, 0xd280_0f88, 0xd400_0001, 0x17ff_fffb];
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |elf: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|v| elf.extend(v.to_le_bytes()));
    let long = |elf: &mut Vec<u8>, values: &[u64]| values.iter().for_each(|v| elf.extend(v.to_le_bytes()));
    half(&mut elf, &[2, 183, 1, 0]);
    long(&mut elf, &[BASE + 120, 64, 0]);
    half(&mut elf, &[0, 0, 64, 56, 1, 0, 0, 0]);
    half(&mut elf, &[1, 0, 7, 0]);
    let len = 120 + 4 * code.len() as u64;
    long(&mut elf, &[0, BASE, BASE, len, 0x2_0000, 0x1000]);
    code.iter().for_each(|word| elf.extend(word.to_le_bytes()));
    (elf, BASE + 120 + 12, 0x41_0000)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |piece: &[u8]| {
        let bits = piece.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - piece.len()));
        let digit =
            |n: usize| if n > piece.len() { '=' } else { char::from(DIGITS[(bits >> (18 - 6 * n) & 63) as usize]) };
        [digit(0), digit(1), digit(2), digit(3)]
    };
    bytes.chunks(3).flat_map(digits).collect()
}

/// Puts the program there and gives a command; the address of its store, and where it counts.
fn put_counting(console: &mut Console, command: &str) -> (u64, u64) {
    let (elf, store, count) = counting();
    let file = format!("echo {} | base64 -d > /tmp/count && chmod +x /tmp/count", base64(&elf));
    console.ok(&format!("{file} && {command}"), SHORT);
    (store, count)
}

/// The address of a kernel's symbol.
fn kernel_symbol(console: &mut Console, name: &str) -> u64 {
    let line = console.ok(&format!("grep ' {name}$' /proc/kallsyms"), SHORT);
    let address = line.split_whitespace().next().unwrap_or_default();
    u64::from_str_radix(address, 16).unwrap_or_else(|_| panic!("no address of {name}: {line}"))
}

#[test]
fn gdb_debugs_debians_kernel_without_symbols() {
    let scratch = Scratch::new("gdb-kernel");
    let socket = scratch.file("gdb");
    let mut console = Emulator::Handset.start(&Machine::guest("debian12").smp(4).gdb(&socket));
    let mut gdb = Gdb::connect(&socket, None);
    gdb.begin("continue");
    console.wait_for("handset# ", LONG);
    console.ok("dmesg -n 1; echo 0 > /proc/sys/kernel/kptr_restrict", SHORT);
    let open = kernel_symbol(&mut console, "do_sys_openat2");
    let die = kernel_symbol(&mut console, "die");
    let (store, count) = put_counting(&mut console, "true");
    gdb.interrupt();
    let said = gdb.end(SHORT);
    assert!(said.contains("SIGINT"), "{said}");

    // A system call of a program, on whichever CPU it is.
    gdb.ask(&format!("break *{open:#x}"));
    for cpu in 0..4 {
        gdb.begin("continue");
        console.send(&format!("taskset {} cat /etc/passwd-{cpu}\n", 1 << cpu));
        while {
            let said = gdb.end(SHORT);
            assert!(said.contains("Breakpoint"), "{said}");
            let path = gdb.ask("x/s $x1");
            assert_eq!(gdb.number("$pc"), open);
            !path.contains(&format!("/etc/passwd-{cpu}"))
        } {
            gdb.begin("continue");
        }
        assert_eq!(gdb.number("$_thread"), cpu + 1, "taskset chose the CPU");
    }
    gdb.ask("delete");

    // A variable of a program, while others run on its CPU in between.
    gdb.ask(&format!("hbreak *{store:#x}"));
    gdb.begin("continue");
    console.send("taskset 2 sh -c 'while :; do :; done' & taskset 2 /tmp/count &\n");
    let said = gdb.end(SHORT);
    assert!(said.contains("Breakpoint"), "{said}");
    gdb.ask("delete");
    gdb.ask(&format!("watch *(long *){count:#x}"));
    let first = gdb.number(&format!("*(long *){count:#x}"));
    for value in first + 1..=first + 20 {
        let said = gdb.expect("continue", "Hardware watchpoint");
        assert!(said.contains(&format!("New value = {value}")), "{said}");
        assert_eq!((gdb.number("$pc"), gdb.number("$_thread")), (store + 4, 2));
    }
    gdb.ask("delete");
    gdb.begin("continue");
    let switches = console.ok("grep ^nonvoluntary_ctxt_switches /proc/$(pidof count)/status; killall count", SHORT);
    let switches: u64 = switches.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a count of switches");
    assert!(switches >= 2, "{switches} context switches");
    gdb.interrupt();
    gdb.end(SHORT);

    // An oops, of a kernel that calls nothing.
    gdb.ask(&format!("break *{open:#x}"));
    gdb.begin("continue");
    console.send("taskset 8 cat /etc/group\n");
    let said = gdb.end(SHORT);
    assert!(said.contains("Breakpoint"), "{said}");
    gdb.ask("delete");
    gdb.ask(&format!("hbreak *{die:#x}"));
    gdb.ask("set var $pc = 0");
    gdb.expect("continue", "Breakpoint");
    gdb.expect("x/s $x0", "Oops");
    assert_eq!(gdb.number("$_thread"), 4, "taskset chose the CPU");
    gdb.expect("detach", "detached");
    console.wait_for("Internal error: Oops", SHORT);
    console.ok("true", SHORT);
}

/// By hand: it takes a package of 800 MB.
#[test]
#[ignore = "fetches the kernel's debug symbols, 800 MB: --ignored"]
fn gdb_debugs_debians_kernel_with_symbols() {
    let scratch = Scratch::new("gdb-symbols");
    let socket = scratch.file("gdb");
    let vmlinux = guest::folder("debian12-symbols").join("vmlinux");
    let machine = Machine::guest("debian12-symbols").smp(4).gdb(&socket);
    let mut console = Emulator::Handset.start(&machine);
    let mut gdb = Gdb::connect(&socket, Some(&vmlinux));
    gdb.ask("hbreak start_kernel");
    gdb.expect("continue", "Breakpoint 1");
    gdb.expect("backtrace", "__primary_switched");
    gdb.ask("delete");
    gdb.ask("break do_sys_openat2");
    gdb.expect("continue", "do_sys_openat2");
    gdb.expect("backtrace", "el0_svc");
    gdb.ask("delete");
    gdb.begin("continue");
    console.wait_for("handset# ", LONG);
    gdb.interrupt();
    gdb.end(SHORT);

    gdb.ask("break fs/open.c:1306");
    gdb.begin("continue");
    console.send("taskset 4 cat /etc/group\n");
    let said = gdb.end(SHORT);
    assert!(said.contains("do_sys_openat2 (dfd="), "{said}");
    gdb.ask("delete");
    gdb.expect("p ((struct task_struct *)$SP_EL0)->comm", "= \"");
    gdb.expect("p *(struct task_struct *)$SP_EL0", "thread_info = {");
    let mut said = String::new();
    while !said.contains("build_open_flags (") {
        said = gdb.expect("step", "open.c");
    }
    gdb.expect("finish", "Value returned");
    gdb.expect("next", "in fs/open.c");

    // The task list.
    gdb.ask("set $task = &init_task");
    gdb.ask("set $offset = (unsigned long)&((struct task_struct *)0)->tasks");
    let mut names = Vec::new();
    loop {
        names.push(gdb.ask("output $task->comm"));
        gdb.ask("set $task = (struct task_struct *)((unsigned long)$task->tasks.next - $offset)");
        if gdb.number("$task == &init_task") == 1 {
            break;
        }
    }
    for name in ["swapper/0", "init", "kthreadd", "ksoftirqd/3"] {
        assert!(names.iter().any(|comm| comm.contains(name)), "no {name} among {names:?}");
    }

    // An oops, of a kernel that calls nothing.
    gdb.ask("break do_sys_open");
    gdb.begin("continue");
    console.wait_for("handset# ", SHORT);
    console.send("taskset 8 cat /etc/group\n");
    let said = gdb.end(SHORT);
    assert!(said.contains("filename="), "{said}");
    gdb.ask("delete");
    gdb.ask("hbreak die");
    gdb.ask("set var $pc = 0");
    let said = gdb.expect("continue", "Breakpoint");
    assert!(said.contains("die ("), "{said}");
    gdb.expect("backtrace", "do_page_fault");
    assert_eq!(gdb.number("$_thread"), 4, "taskset chose the CPU");
    gdb.ask("kill");
    assert_eq!(console.end(SHORT).code(), Some(0), "the exit status after gdb's kill");
}

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// That the machine goes round, with nothing set.
fn goes_round(socket: &Path) {
    let read = || {
        let mut client = Client::connect(socket);
        let said = client.ask(&format!("m{:x},8", rounds::ROUNDS)).expect("a debugger is served");
        assert!(client.monitor("info").expect("it is still served").contains("breakpoints set: 0, watchpoints set: 0"));
        u64::from_str_radix(&said, 16).map(u64::swap_bytes).expect("8 bytes of RAM")
    };
    let before = read();
    std::thread::sleep(Duration::from_millis(20));
    assert!(read() > before, "the machine stands still");
}

/// Connects and goes again at any byte, time and again, with breakpoints and a watchpoint at these addresses on the way.
fn come_and_go(socket: &Path, breakpoints: [u64; 2], watchpoint: u64, mut look: impl FnMut()) {
    let times: usize =
        std::env::var("HANDSET_GDB_TIMES").ok().map_or(300, |n| n.parse().expect("a count of connections"));
    let packets = [
        "qSupported:multiprocess+;swbreak+".to_owned(),
        "?".to_owned(),
        "qXfer:features:read:target.xml:0,ffb".to_owned(),
        format!("Z0,{:x},4", breakpoints[0]),
        format!("Z1,{:x},4", breakpoints[1]),
        format!("Z2,{watchpoint:x},8"),
        "g".to_owned(),
        "vCont;c".to_owned(),
        "vCont;s:p1.1;c".to_owned(),
        "vCont;r0,ffffffff:p1.2;c".to_owned(),
        format!("m{watchpoint:x},8"),
        "p44".to_owned(),
        "\u{3}".to_owned(),
    ];
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for time in 0..times {
        let mut client = Client::connect(socket);
        let mut bytes = Vec::new();
        for _ in 0..1 + chance.below(12) {
            let packet = &packets[chance.below(packets.len())];
            bytes.extend(if packet == "\u{3}" { vec![3] } else { framed(packet) });
        }
        bytes.truncate(1 + chance.below(bytes.len()));
        client.send(&bytes);
        if time % 3 == 0 {
            client.half_close();
        }
        drop(client);
        if time % 100 == 0 {
            look();
        }
    }
    look();
}

#[test]
fn clients_that_go_at_any_byte_leave_nothing_behind() {
    let scratch = Scratch::new("gdb-gone");
    let (_machine, socket) = going_round(&scratch, 4);
    come_and_go(&socket, [rounds::STORE, rounds::LOOP], rounds::ROUNDS, || goes_round(&socket));
}

#[test]
fn clients_that_go_at_any_byte_leave_linux_alone() {
    let scratch = Scratch::new("gdb-gone-linux");
    let socket = scratch.file("gdb");
    let mut console = Emulator::Handset.start(&Machine::guest("debian12").smp(4).gdb(&socket));
    Gdb::connect(&socket, None).expect("detach", "detached");
    console.wait_for("handset# ", LONG);
    console.ok("dmesg -n 1; echo 0 > /proc/sys/kernel/kptr_restrict", SHORT);
    let open = kernel_symbol(&mut console, "do_sys_openat2");
    let (store, count) = put_counting(&mut console, "/tmp/count & true");
    console.ok("(while :; do cat /proc/self/stat > /dev/null; done) & true", SHORT);
    come_and_go(&socket, [open, store], count, || {
        console.ok("cat /proc/uptime", SHORT);
        let said = Client::connect(&socket).monitor("info").expect("a debugger is served");
        assert!(said.contains("breakpoints set: 0, watchpoints set: 0"), "{said}");
    });
    // The time that debuggers took was none for the guest.
    let log = console.ok("dmesg", SHORT);
    assert!(!["stall", "lockup", "Oops"].iter().any(|word| log.contains(word)), "{log}");
    console.send("poweroff\n");
    assert_eq!(console.end(SHORT).code(), Some(0), "the exit status after the guest has powered off");
}

#[test]
fn packets_with_changed_letters_do_no_harm() {
    const PACKETS: &[&str] = &[
        "qSupported:multiprocess+;swbreak+;xmlRegisters=i386",
        "QStartNoAckMode",
        "qXfer:features:read:target.xml:0,ffb",
        "qXfer:memory-map:read::0,1000",
        "qfThreadInfo",
        "qThreadExtraInfo,p1.1",
        "qC",
        "Hgp1.1",
        "Hcp1.-1",
        "Tp1.2",
        "g",
        "p0",
        "P22=0000000000000000",
        "m40300000,40",
        "M40310000,4:01020304",
        "X40310000,4:abcd",
        "Z0,40200078,4",
        "z0,40200078,4",
        "Z2,40300000,8",
        "z2,40300000,8",
        "vCont?",
        "vCont;s:p1.1;c",
        "vCont;r40200000,40200080:p1.1;c:p1.2",
        "vMustReplyEmpty",
        "vFile:open:2f,0,0",
        "qRcmd,696e666f",
        "qRcmd,7068797320307834303330303030302031363238",
        "s",
        "c",
        "?",
        "D",
    ];
    const LETTERS: &[u8] = b"0189afFpmcszZ-;:,.=#*}{?+\x00\x7f\x80\xff";
    let times: usize = std::env::var("HANDSET_GDB_TIMES").ok().map_or(2000, |n| n.parse().expect("a count of packets"));
    let scratch = Scratch::new("gdb-letters");
    let (_machine, socket) = going_round(&scratch, 2);
    drop(Gdb::connect(&socket, None));
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    let mut client = Client::connect(&socket);
    for time in 0..times {
        let mut packet = PACKETS[chance.below(PACKETS.len())].as_bytes().to_vec();
        for _ in 0..chance.below(3) {
            let at = chance.below(packet.len());
            match chance.below(3) {
                0 => packet[at] = LETTERS[chance.below(LETTERS.len())],
                1 => packet.insert(at, LETTERS[chance.below(LETTERS.len())]),
                _ => packet.truncate(at.max(1)),
            }
        }
        // A Ctrl-C stops what a packet may have resumed.
        if !client.send(&framed_bytes(&packet)) || !client.send(&[3]) || client.ask("?").is_none() {
            client = Client::connect(&socket);
        }
        if time % 500 == 0 {
            drop(client);
            goes_round(&socket);
            client = Client::connect(&socket);
        }
    }
    drop(client);
    goes_round(&socket);
}

#[test]
fn rubbish_is_hung_up_on() {
    let scratch = Scratch::new("gdb-rubbish");
    let (_machine, socket) = going_round(&scratch, 1);
    // It goes round once a debugger has let it go.
    drop(Gdb::connect(&socket, None));
    let long = [&b"$"[..], &vec![b'a'; 1 << 20], b"#00"].concat();
    for rubbish in [b"GET / HTTP/1.1\r\n\r\n".repeat(400), vec![0xff; 1 << 20], long.clone(), b"$".repeat(1 << 16)] {
        let mut client = Client::connect(&socket);
        client.send(&rubbish);
        assert!(client.is_hung_up_on());
        goes_round(&socket);
    }
    // After a beginning that raises hopes.
    for rubbish in [
        &long[..],
        b"$g#00",
        b"-",
        b"$vCont;s:-1#00",
        &framed("G00"),
        &framed("vCont;s:p1.9"),
        &framed("Hgp1.0"),
        &framed("\u{fffd}"),
    ] {
        let mut client = Client::connect(&socket);
        assert!(client.ask("?").expect("a debugger is served").starts_with("T05"));
        client.send(rubbish);
        client.half_close();
        assert!(client.is_hung_up_on(), "{}", String::from_utf8_lossy(&rubbish[..rubbish.len().min(20)]));
        goes_round(&socket);
    }
    // What is asked for in vain is an error, and no more.
    let mut client = Client::connect(&socket);
    for packet in [
        "m10000000,8",
        "m9000000,4",
        "mffffffffffffffff,8",
        "M0,1:00",
        "pffff",
        "p100000000",
        "P0=",
        "Z0,1,4",
        "z0,40200000,4",
        "Hgp1.9",
    ] {
        let said = client.ask(packet).unwrap_or_else(|| panic!("hung up on after {packet}"));
        assert!(said.starts_with('E') || said.is_empty() || packet.starts_with('H'), "{packet}: {said}");
    }
    // One at a time.
    let mut second = Client::connect(&socket);
    assert!(second.is_hung_up_on());
    drop(client);
    // Who says nothing does not keep others out for ever, nor the guest still.
    let silent = Client::connect(&socket);
    let mut second = Client::connect(&socket);
    assert!(second.is_hung_up_on());
    std::thread::sleep(Duration::from_secs(11));
    goes_round(&socket);
    drop(silent);
}
