#pragma once

#include <string>
#include <vector>

// What a folder holds, by the bytes of the names.
struct FolderEntry {
  enum Kind { kFile, kFolder, kLink, kOther };

  std::string name;
  Kind kind;
  // Of a file, as Node gives them.
  double size, modified_ms, changed_ms, inode;
};

// Without `.` and `..`; returns whether all could be read.
bool ListFolder(const std::string& path, std::vector<FolderEntry>* entries);
