#pragma once

#include <string>

// Makes the operations known to TensorFlow, once in a process, before a graph that holds them is
// loaded. They compute on this many threads. Returns what TensorFlow found wrong, else "".
std::string RegisterOperations(int thread_count);
