#include "list-folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

namespace {

double Ms(const timespec& time) { return time.tv_sec * 1e3 + time.tv_nsec / 1e6; }

// A file whose state cannot be read is none of these: the caller finds out why.
FolderEntry EntryOf(int folder, const dirent& found) {
  FolderEntry entry = {found.d_name, FolderEntry::kOther, 0, 0, 0, 0};
  struct stat state;
  if (found.d_type == DT_DIR) entry.kind = FolderEntry::kFolder;
  if (found.d_type == DT_LNK) entry.kind = FolderEntry::kLink;
  if (found.d_type != DT_REG || fstatat(folder, found.d_name, &state, AT_SYMLINK_NOFOLLOW) != 0) return entry;
  if (!S_ISREG(state.st_mode)) return entry;
  return {found.d_name,       FolderEntry::kFile, double(state.st_size), Ms(state.st_mtim), Ms(state.st_ctim),
          double(state.st_ino)};
}

}  // namespace

bool ListFolder(const std::string& path, std::vector<FolderEntry>* entries) {
  if (path.find('\0') != std::string::npos) return false;
  DIR* folder = opendir(path.c_str());
  if (folder == nullptr) return false;
  errno = 0;
  while (const dirent* found = readdir(folder)) {
    const std::string name = found->d_name;
    // Where a file system does not say what an entry is, it is asked for each in another way.
    if (found->d_type == DT_UNKNOWN) errno = ENOTSUP;
    if (errno != 0) break;
    if (name != "." && name != "..") entries->push_back(EntryOf(dirfd(folder), *found));
    errno = 0;
  }
  const bool is_whole = errno == 0;
  closedir(folder);
  std::sort(entries->begin(), entries->end(), [](const FolderEntry& a, const FolderEntry& b) { return a.name < b.name; });
  return is_whole;
}
