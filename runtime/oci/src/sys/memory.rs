//! Memory of our own that is not needed while nothing happens.

use super::raw::syscall;

/// Unmaps the pages of this program's own file, until they are touched again:
/// `madvise(start, length, MADV_DONTNEED)` for each of its segments that cannot
/// be written (`madvise(2)`, `elf(5)`). They stay in the page cache.
///
/// The kernel maps pages around each that is touched, so a program of a few
/// megabytes soon has most of its file in its tables; one that only waits needs
/// a handful.
pub fn give_back_text() {
    // SAFETY: of auxiliary values there is always an answer, 0 for an unknown one.
    let address = unsafe { libc::getauxval(libc::AT_PHDR) };
    // SAFETY: as above.
    let count = unsafe { libc::getauxval(libc::AT_PHNUM) };
    let (Ok(address), Ok(count)) = (usize::try_from(address), usize::try_from(count)) else {
        return;
    };
    if address == 0 {
        return;
    }
    // SAFETY: the kernel says where it mapped the program headers and how many
    // there are; they stay there, unchanged, as long as the program runs.
    let headers = unsafe { std::slice::from_raw_parts(address as *const libc::Elf64_Phdr, count) };
    let own = headers.iter().find(|header| header.p_type == libc::PT_PHDR);
    // Where the program was moved to from the addresses it was linked for.
    let moved = own.map_or(0, |own| address.wrapping_sub(own.p_vaddr as usize));
    for header in headers {
        if header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0 {
            let start = moved.wrapping_add(header.p_vaddr as usize);
            let within = start % PAGE;
            let length = header.p_memsz as usize + within;
            // SAFETY: pages of a file, privately mapped, that nobody can have
            // written: reading them again gives the same bytes. An error
            // changes nothing.
            let _ = unsafe { syscall!(SYS_madvise, start - within, length, libc::MADV_DONTNEED) };
        }
    }
}

/// The smallest page of the architectures that there are; a larger one makes
/// `madvise` refuse.
const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    #[test]
    fn what_was_given_back_is_there_when_it_is_needed() {
        let resident = || {
            let table = std::fs::read_to_string("/proc/self/statm").unwrap();
            // proc_pid_statm(5): the third is the pages of files.
            table.split(' ').nth(2).unwrap().parse::<u64>().unwrap()
        };
        let before = resident();
        super::give_back_text();
        let after = resident();
        assert!(after < before, "{before} pages of files, then {after}");
        assert_eq!("still here".len(), 10);
    }
}
