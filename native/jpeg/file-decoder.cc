#include "file-decoder.h"

#include <fcntl.h>
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

}  // namespace

FileDecoder::Outcome FileDecoder::Run(const std::string& path, const FileState& listed, uint8_t* out,
                                      ThreadState* state, Times* times) {
  double start = NowMs();
  if (!is_kept_) {
    const bool is_read = Read(path, listed);
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
  file_bytes_ = size_t(listed.bytes);
  bool is_whole = fstat(file, &found) == 0 && S_ISREG(found.st_mode) && double(found.st_size) == listed.bytes &&
                  // As Node computes mtimeMs.
                  found.st_mtim.tv_sec * 1e3 + found.st_mtim.tv_nsec / 1e6 == listed.modified_ms;
  if (is_whole) {
    if (file_.size() < file_bytes_) file_.resize(file_bytes_);
    size_t filled = 0;
    while (filled < file_bytes_) {
      const ssize_t count = read(file, file_.data() + filled, file_bytes_ - filled);
      if (count <= 0) break;
      filled += count;
    }
    is_whole = filled == file_bytes_;
  }
  close(file);
  return is_whole;
}

bool FileDecoder::Decode() {
  JpegSize size;
  if (!IsPlainJpeg(file_.data(), file_bytes_, &size)) return false;
  width = size.width;
  height = size.height;
  const int64_t pixels = int64_t(width) * height;
  if (pixels == 0 || pixels > kMostPixels || double(pixels) > max_pixels_ || !resize.Takes(width, height)) return false;
  // The passes read whole registers, and an odd last row with the one behind it.
  const size_t room = 3 * size_t(width) * (height + 1) + kSlack;
  if (picture_.size() < room) picture_.resize(room);
  return api_.Decompress({file_.data(), file_bytes_}, picture_.data(), width, height, TurboJpegApi::kRgb);
}
