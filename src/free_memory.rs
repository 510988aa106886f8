//! Free memory that is not there: whether this machine's own host takes it back.
//!
//! A kernel that is a guest itself may report its free pages, for the host to use elsewhere. What
//! touches them later waits for the host, 4 KiB by 4 KiB; and who asks for a huge page waits for
//! 512 of them at once, needed or not. The kernel reports free memory by huge
//! pages only, so small ones come from what is left between, which is there.
//!
//! What it costs is told in `docs/MODEL.md`, "Memory that lies free".
//!
//! Source: the kernel's `mm/page_reporting.c`; the VIRTIO specification 1.2, section 5.5.3.

use std::fs;
use std::path::Path;

/// Where the kernel lists the balloons that it drives.
const BALLOONS: &str = "/sys/bus/virtio/drivers/virtio_balloon";

/// `VIRTIO_BALLOON_F_REPORTING`: free pages are reported.
const REPORTING: usize = 5;

/// Whether free pages are reported to a host. False as well where that cannot be seen.
#[must_use]
pub fn is_taken_back() -> bool {
    is_taken_back_by(Path::new(BALLOONS))
}

fn is_taken_back_by(balloons: &Path) -> bool {
    let devices = fs::read_dir(balloons).into_iter().flatten().flatten();
    let mut features =
        devices.filter_map(|device| fs::read_to_string(device.path().join("features")).ok());
    features.any(|bits| bits.as_bytes().get(REPORTING) == Some(&b'1'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balloon_tells_whether_free_pages_are_reported() {
        let balloons = tempfile::tempdir().unwrap();
        let is_taken_back = || is_taken_back_by(balloons.path());
        assert!(!is_taken_back_by(&balloons.path().join("absent")));
        // As the kernel has it there: files of the driver, and a link to each of its devices.
        fs::write(balloons.path().join("uevent"), "").unwrap();
        assert!(!is_taken_back());
        let has = |device: &str, features: &str| {
            let device = balloons.path().join(device);
            fs::create_dir(&device).unwrap();
            fs::write(device.join("features"), features).unwrap();
        };
        has("virtio0", "0110100000000000000000000000000010000000\n");
        assert!(!is_taken_back());
        has("virtio1", "01100\n");
        has("virtio2", "0110010000000000000000000000000010000000\n");
        assert!(is_taken_back());
    }
}
