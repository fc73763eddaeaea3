//! Reading and writing the fields of a payload at the offsets of the table.

/// The fields of a payload, read in words of 4 bytes: payloads in a queue are aligned to no more.
pub(crate) struct Fields<F>(pub F);

impl<F: Fn(usize) -> u32> Fields<F> {
    #[inline(always)]
    pub fn u32(&self, at: usize) -> u32 {
        (self.0)(at / 4)
    }

    #[inline(always)]
    pub fn i32(&self, at: usize) -> i32 {
        self.u32(at) as i32
    }

    #[inline(always)]
    pub fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }

    #[inline(always)]
    pub fn u16(&self, at: usize) -> u16 {
        (self.u32(at) >> (at % 4 * 8)) as u16
    }

    /// A `char` of C that is a claim: anything but 0 is true.
    #[inline(always)]
    pub fn claim(&self, at: usize) -> bool {
        (self.u32(at) >> (at % 4 * 8)) as u8 != 0
    }
}

/// Where a payload is written: zeroed bytes, as long as the payload.
pub(crate) struct Output<'a>(pub &'a mut [u8]);

impl Output<'_> {
    fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        if let Some(place) = self.0.get_mut(at..at + N) {
            place.copy_from_slice(&bytes);
        }
    }

    pub fn u32(&mut self, at: usize, value: u32) {
        self.put(at, value.to_le_bytes());
    }

    pub fn i32(&mut self, at: usize, value: i32) {
        self.put(at, value.to_le_bytes());
    }

    pub fn u64(&mut self, at: usize, value: u64) {
        self.put(at, value.to_le_bytes());
    }

    pub fn u16(&mut self, at: usize, value: u16) {
        self.put(at, value.to_le_bytes());
    }

    pub fn claim(&mut self, at: usize, value: bool) {
        self.put(at, [u8::from(value)]);
    }
}

/// `at!(LAYOUT, "field", TYPE)`: the offset of a field, known when this is compiled; a wrong name or type does not compile.
macro_rules! at {
    ($layout:ident, $name:literal, $kind:ident) => {
        const { crate::abi::layout::$layout.at($name, crate::abi::FieldType::$kind) }
    };
}
pub(crate) use at;
