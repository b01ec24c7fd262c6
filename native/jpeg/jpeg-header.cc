#include "jpeg-header.h"

#include <cstring>

namespace {

struct Frame {
  int marker = 0;  // 0: none yet
  int precision = 0, width = 0, height = 0, components = 0;
  uint8_t ids[3] = {}, factors[3] = {};
};

int Word(const uint8_t* at) { return at[0] << 8 | at[1]; }

// 0xc0 to 0xcf without the tables and the reserved one that are between them.
bool IsFrame(int marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

bool ReadFrame(int marker, const uint8_t* segment, size_t length, Frame* frame) {
  const int count = length >= 6 ? segment[5] : 0;
  if (length < 6 + size_t(count) * 3 || (count != 1 && count != 3)) return false;
  frame->marker = marker;
  frame->precision = segment[0];
  frame->height = Word(segment + 1);
  frame->width = Word(segment + 3);
  frame->components = count;
  for (int i = 0; i < count; i++) {
    frame->ids[i] = segment[6 + 3 * i];
    frame->factors[i] = segment[7 + 3 * i];
  }
  return true;
}

// From the first start-of-scan marker to the end-of-image marker: whether that is one scan.
bool IsOneScan(const uint8_t* bytes, size_t length, size_t at) {
  const auto next = [&](size_t from) {
    const void* found = from < length ? memchr(bytes + from, 0xff, length - from) : nullptr;
    return found == nullptr ? length : size_t(static_cast<const uint8_t*>(found) - bytes);
  };
  for (int scans = 0; at + 2 <= length;) {
    const int marker = bytes[at + 1];
    if (marker == 0xd9) return scans == 1;
    if (marker == 0xff) {
      at++;
    } else if (marker == 0 || (marker >= 0xd0 && marker <= 0xd7)) {
      at = next(at + 2);
    } else if (marker >= 0xc0 && marker != 0xd8) {
      if (marker == 0xda && ++scans > 1) return false;
      if (at + 4 > length) return false;
      at = next(at + 2 + Word(bytes + at + 2));
    } else {
      return false;
    }
  }
  return false;
}

// Gray, or YCbCr whose chroma is whole, halved in width, or halved in both.
bool IsPlainColor(const Frame& frame, bool has_jfif, int adobe_transform) {
  if (frame.components == 1) return true;
  const bool has_usual_ids = frame.ids[0] == 1 && frame.ids[1] == 2 && frame.ids[2] == 3;
  if (!(adobe_transform < 0 ? has_jfif || has_usual_ids : adobe_transform == 1)) return false;
  const int luma = frame.factors[0];
  return frame.factors[1] == 0x11 && frame.factors[2] == 0x11 && (luma == 0x11 || luma == 0x21 || luma == 0x22);
}

}  // namespace

bool IsPlainJpeg(const uint8_t* bytes, size_t length, JpegSize* size) {
  if (length < 3 || memcmp(bytes, "\xff\xd8\xff", 3) != 0) return false;
  Frame frame;
  bool has_jfif = false;
  int adobe_transform = -1;
  for (size_t at = 2;;) {
    while (at + 1 < length && bytes[at] == 0xff && bytes[at + 1] == 0xff) at++;
    if (at + 4 > length) return false;
    const int marker = bytes[at + 1];
    if (bytes[at] != 0xff || marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9)) return false;
    const size_t start = at + 4, end = at + 2 + Word(bytes + at + 2);
    if (end < start || end > length) return false;
    const uint8_t* segment = bytes + start;
    if (marker == 0xda) {
      const int scan_components = start < end ? segment[0] : 0;
      if ((frame.marker != 0xc0 && frame.marker != 0xc1) || frame.precision != 8) return false;
      if (scan_components != frame.components || !IsPlainColor(frame, has_jfif, adobe_transform)) return false;
      *size = {frame.width, frame.height};
      return IsOneScan(bytes, length, at);
    }
    if (IsFrame(marker)) {
      if (frame.marker == 0 && !ReadFrame(marker, segment, end - start, &frame)) return false;
    } else if (marker == 0xe0 && end - start >= 5 && memcmp(segment, "JFIF", 5) == 0) {
      has_jfif = true;
    } else if (marker == 0xee && end - start >= 12 && memcmp(segment, "Adobe", 5) == 0) {
      adobe_transform = segment[11];
    }
    at = end;
  }
}
