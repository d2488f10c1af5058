//! The system calls that no safe crate offers: fork, clone into namespaces, exec, signal sets.
//!
//! The only unsafe code of the shim. Everything here is called from a process with one thread
//! ([`super::main`] checks that; [`crate::watchdog`] takes its signals the same way), which is what makes running Rust after a fork sound: no other
//! thread can have held the allocator's or any other lock at that moment.

use rustix::process::Pid;
use std::{
    convert::Infallible,
    ffi::{CStr, CString},
    io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    ptr,
};

/// Which side of a fork this is.
pub(super) enum Fork {
    /// The new process.
    Child,
    /// The old one, told about the new.
    Parent(Pid),
}

/// Forks, into new namespaces if `flags` names any (`CLONE_NEW…`).
pub(super) fn fork(flags: i32) -> io::Result<Fork> {
    let pid = if flags == 0 {
        // SAFETY: one thread, so the child may go on as an ordinary process.
        i64::from(unsafe { libc::fork() })
    } else {
        // SAFETY: all-zero is a valid `clone_args` (plain integers); no stack and no memory sharing
        // is asked for, so this is a fork.
        let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
        args.flags = flags.unsigned_abs().into();
        args.exit_signal = libc::SIGCHLD.unsigned_abs().into();
        // SAFETY: `args` outlives the call and its size is the one given.
        unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) }
    };
    // A refusal first: a negative number may not even be looked at as a process's.
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .map_or(Fork::Child, Fork::Parent))
}

/// Namespaces of one's own for processes and mounts.
pub(super) const NEW_PID_MOUNT: i32 = libc::CLONE_NEWPID | libc::CLONE_NEWNS;
/// The same, and for users: what a user without privileges may ask for.
pub(super) const NEW_USER_PID_MOUNT: i32 = NEW_PID_MOUNT | libc::CLONE_NEWUSER;

/// Leaves without running any destructor: a forked child must not flush or unlink what its parent owns.
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: always sound.
    unsafe { libc::_exit(code) }
}

/// Becomes another program; returns only if that failed.
pub(super) fn exec(
    program: &CStr,
    argv: &[CString],
    env: &[CString],
) -> Result<Infallible, io::Error> {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        let ends = std::iter::once(ptr::null());
        list.iter().map(|text| text.as_ptr()).chain(ends).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both lists end with null and point into strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    Err(io::Error::last_os_error())
}

/// Blocks every signal: from here on they are read from descriptors or not at all.
pub(crate) fn block_signals() {
    // SAFETY: the set is initialised by sigfillset before it is used.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut());
    }
}

/// Has what `command` starts begin with every signal let in: a blocked one would stay so through its life.
pub(crate) fn let_signals_in(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec it makes system calls and nothing else.
    unsafe {
        command.pre_exec(|| {
            default_signals();
            Ok(())
        });
    }
}

/// Gives every signal its default meaning and lets all of them in, as a new program expects.
pub(super) fn default_signals() {
    for signal in 1..=64 {
        // SAFETY: all-zero is the kernel's `sigaction` for SIG_DFL, of which this is more than enough;
        // signals that cannot be set are refused, harmlessly. Not through the C library, which keeps
        // its hands over two that a keeper may have been started with ignored.
        unsafe {
            let default = [0u64; 8];
            let none = ptr::null_mut::<u64>();
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                none,
                8usize,
            );
        }
    }
    // SAFETY: the set is initialised by sigemptyset before it is used.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut());
    }
}

/// A descriptor that becomes readable when one of `signals` (blocked before) arrives.
pub(crate) fn signal_fd(signals: &[i32]) -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset; a descriptor that signalfd returns is ours alone.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        match libc::signalfd(-1, &raw const set, flags) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// Really closes every descriptor above 2 that is not kept. For processes that will never touch the
/// others again: one that is about to exec or to exit, or that has opened nothing yet.
pub(super) fn close_all_but(keep: &[RawFd]) -> io::Result<()> {
    let mut keep: Vec<u32> = keep.iter().filter_map(|fd| (*fd).try_into().ok()).collect();
    keep.sort_unstable();
    let mut from = 3u32;
    for fd in keep.into_iter().chain([u32::MAX]) {
        let to = if fd == u32::MAX {
            fd
        } else {
            fd.saturating_sub(1)
        };
        if fd >= 3 && from <= to {
            // SAFETY: the caller uses none of the closed descriptors again.
            if unsafe { libc::syscall(libc::SYS_close_range, from, to, 0u32) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        from = from.max(fd.saturating_add(1));
    }
    Ok(())
}

/// Gives up the controlling terminal of the session that this process leads; without one, does nothing. The
/// hangup that the kernel sends to the session then finds every signal blocked.
pub(super) fn leave_terminal() {
    // SAFETY: takes no argument, and fails harmlessly where there is no terminal.
    unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCNOTTY) };
}

/// Signals every process that this one may signal, itself and pid 1 excepted. Only ever called by
/// pid 1 of a namespace, where that means the namespace.
pub(super) fn signal_everyone(signal: i32) {
    // SAFETY: plain system calls; the check makes a mistake harmless.
    unsafe {
        if libc::getpid() == 1 {
            libc::kill(-1, signal);
        }
    }
}
