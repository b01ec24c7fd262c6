#include "file-decoder.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "jpeg-header.h"

namespace {

// What takes long anyway gains nothing here, and memory here never shrinks.
constexpr double kMostFileBytes = 1 << 20;
constexpr int64_t kMostPixels = 1 << 20;

double NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

// Seen by the thread that watches this one: odd while an image is decoded.
void Turn(ThreadState* state) {
  if (state != nullptr) __atomic_add_fetch(&state->turns, 1, __ATOMIC_SEQ_CST);
}

bool ReadAt(int file, off_t from, uint8_t* bytes, size_t length) {
  size_t filled = 0;
  while (filled < length) {
    const ssize_t count = pread(file, bytes + filled, length - filled, from + filled);
    if (count <= 0) return false;
    filled += count;
  }
  return true;
}

// From the header of a zip's member to its content, as contentOffset of src/image/file-part.ts.
bool SkipZipHeader(int file, off_t* from) {
  uint8_t header[30];
  if (!ReadAt(file, *from, header, sizeof header) || memcmp(header, "PK\3\4", 4) != 0) return false;
  *from += sizeof header + header[26] + 256 * header[27] + header[28] + 256 * header[29];
  return true;
}

// Eight tables, eight bytes a step: "slicing-by-8" of M. Kounavis and F. Berry (2005).
struct CrcTables {
  uint32_t of[8][256];
  CrcTables() {
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t rest = byte;
      for (int bit = 0; bit < 8; bit++) rest = rest & 1 ? 0xedb88320 ^ (rest >> 1) : rest >> 1;
      of[0][byte] = rest;
    }
    for (int i = 1; i < 8; i++) {
      for (int byte = 0; byte < 256; byte++) of[i][byte] = of[i - 1][byte] >> 8 ^ of[0][of[i - 1][byte] & 255];
    }
  }
};

uint32_t Crc32(const uint8_t* bytes, size_t length) {
  static const CrcTables tables;
  uint32_t rest = ~0u;
  for (; length >= 8; bytes += 8, length -= 8) {
    uint32_t next = 0;
    for (int i = 0; i < 4; i++) next ^= tables.of[7 - i][bytes[i] ^ (rest >> 8 * i & 255)] ^ tables.of[3 - i][bytes[4 + i]];
    rest = next;
  }
  for (; length > 0; bytes++, length--) rest = rest >> 8 ^ tables.of[0][(rest ^ *bytes) & 255];
  return ~rest;
}

}  // namespace

FileDecoder::Outcome FileDecoder::Run(const Bytes& given, const std::string& path, const FileState& listed, uint8_t* out,
                                      ThreadState* state, Times* times) {
  double start = NowMs();
  if (!is_kept_) {
    const bool is_read = given.data != nullptr ? given.length <= kMostFileBytes : Read(path, listed);
    if (given.data != nullptr) jpeg_ = given;
    const double read = NowMs();
    times->read_ms += read - start;
    start = read;
    if (!is_read) return kLeft;
  }
  Turn(state);
  Outcome outcome = is_kept_ || Decode() ? kDone : kLeft;
  double decoded = NowMs();
  if (outcome == kDone && !resize.HasTables(width, height)) outcome = kNeedsTables;
  is_kept_ = outcome == kNeedsTables;
  if (outcome == kDone) resize.Run(picture_.data(), width, height, out);
  Turn(state);
  times->decode_ms += decoded - start;
  times->resize_ms += NowMs() - decoded;
  return outcome;
}

bool FileDecoder::Read(const std::string& path, const FileState& listed) {
  if (!(listed.bytes > 0 && listed.bytes <= kMostFileBytes) || path.find('\0') != std::string::npos) return false;
  // O_NONBLOCK: opening never waits, whatever has replaced the file.
  const int file = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return false;
  struct stat found;
  const size_t length = size_t(listed.bytes);
  if (file_.size() < length) file_.resize(length);
  jpeg_ = {file_.data(), length};
  off_t from = listed.from > 0 ? off_t(listed.from) : 0;
  const bool is_whole = fstat(file, &found) == 0 && S_ISREG(found.st_mode) &&
                        (listed.from >= 0 || double(found.st_size) == listed.bytes) &&
                        // As Node computes mtimeMs.
                        found.st_mtim.tv_sec * 1e3 + found.st_mtim.tv_nsec / 1e6 == listed.modified_ms &&
                        (listed.crc32 < 0 || SkipZipHeader(file, &from)) &&
                        ReadAt(file, from, file_.data(), length) &&
                        (listed.crc32 < 0 || Crc32(file_.data(), length) == uint32_t(listed.crc32));
  close(file);
  return is_whole;
}

bool FileDecoder::Decode() {
  JpegSize size;
  if (!IsPlainJpeg(jpeg_.data, jpeg_.length, &size)) return false;
  width = size.width;
  height = size.height;
  const int64_t pixels = int64_t(width) * height;
  if (pixels == 0 || pixels > kMostPixels || double(pixels) > max_pixels_ || !resize.Takes(width, height)) return false;
  // The passes read whole registers, and an odd last row with the one behind it.
  const size_t room = 3 * size_t(width) * (height + 1) + kSlack;
  if (picture_.size() < room) picture_.resize(room);
  return api_.Decompress(jpeg_, picture_.data(), width, height, TurboJpegApi::kRgb);
}
