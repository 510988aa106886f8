//! Tar archives, byte by byte.

/// An archive in the making.
#[derive(Clone, Default)]
pub(super) struct Tar(Vec<u8>);

impl Tar {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// An entry of type `flag`, with what `change` does to its header, and its data.
    pub(super) fn entry(
        mut self,
        flag: u8,
        name: impl AsRef<[u8]>,
        data: &[u8],
        change: impl FnOnce(&mut [u8; 512]),
    ) -> Self {
        let mut header = [0; 512];
        let name = name.as_ref();
        header[..name.len()].copy_from_slice(name);
        put(&mut header, 100, "0000644");
        put(&mut header, 108, "0000000");
        put(&mut header, 116, "0000000");
        put(&mut header, 124, &format!("{:011o}", data.len()));
        put(&mut header, 136, "00000000012");
        header[156] = flag;
        put(&mut header, 257, "ustar");
        put(&mut header, 263, "00");
        change(&mut header);
        seal(&mut header);
        self.0.extend_from_slice(&header);
        self.bytes(data)
    }

    /// Data, filled up to whole blocks.
    pub(super) fn bytes(mut self, data: &[u8]) -> Self {
        self.0.extend_from_slice(data);
        let whole = self.0.len().next_multiple_of(512);
        self.0.resize(whole, 0);
        self
    }

    pub(super) fn file(self, name: impl AsRef<[u8]>, data: &str) -> Self {
        self.entry(b'0', name, data.as_bytes(), |_| {})
    }

    pub(super) fn directory(self, name: impl AsRef<[u8]>) -> Self {
        self.entry(b'5', name, b"", |header| put(header, 100, "0000755"))
    }

    pub(super) fn symlink(self, name: impl AsRef<[u8]>, target: &str) -> Self {
        self.entry(b'2', name, b"", |header| put(header, 157, target))
    }

    pub(super) fn hard_link(self, name: impl AsRef<[u8]>, target: &str) -> Self {
        self.entry(b'1', name, b"", |header| put(header, 157, target))
    }

    pub(super) fn device(self, name: &str, flag: u8, major: u32, minor: u32) -> Self {
        self.entry(flag, name, b"", |header| {
            put(header, 329, &format!("{major:07o}"));
            put(header, 337, &format!("{minor:07o}"));
        })
    }

    /// PAX records for the entry that follows.
    pub(super) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut text = Vec::new();
        for (key, value) in records {
            text.extend(record(key, value));
        }
        self.entry(b'x', "PaxHeaders/x", &text, |_| {})
    }

    /// The archive with its end.
    pub(super) fn end(self) -> Vec<u8> {
        let mut tar = self.0;
        tar.resize(tar.len() + 1024, 0);
        tar
    }
}

/// Writes `text` into `header` at `at`, with a NUL if there is room.
pub(super) fn put(header: &mut [u8; 512], at: usize, text: &str) {
    header[at..at + text.len()].copy_from_slice(text.as_bytes());
}

/// Sets the checksum.
pub(super) fn seal(header: &mut [u8; 512]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    put(header, 148, &format!("{sum:06o}\0 "));
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest + 1..).find(|length| length.to_string().len() + rest == *length);
    let mut record = format!("{} {key}=", length.unwrap()).into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}
