// Threads that wait for work: TensorFlow's own are out of reach of a kernel written against its C
// interface.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

class WorkerThreads {
 public:
  // `slot`, below count(), belongs to one thread at a time: where that thread keeps its scratch.
  using Task = std::function<void(int64_t task, int slot)>;

  // `count` threads in all: who calls Run is one of them.
  explicit WorkerThreads(int count) : count_(count) {
    for (int slot = 1; slot < count; slot++) {
      std::thread([this, slot] { Wait(slot); }).detach();
    }
  }

  // They wait on what lies in here for as long as the process lives.
  ~WorkerThreads() = delete;

  int count() const { return count_; }

  // Calls task(0) … task(tasks - 1), each once, and returns when all have ended.
  void Run(int64_t tasks, const Task& task) {
    std::lock_guard<std::mutex> one_at_a_time(callers_);
    auto round = std::make_shared<Round>(tasks, task);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      round_ = round;
    }
    rounds_++;
    if (tasks > 1) wake_.notify_all();
    Work(*round, 0);
    for (int i = 0; i < kSpins && round->ended < tasks; i++) Pause();
    std::unique_lock<std::mutex> lock(mutex_);
    ended_.wait(lock, [&] { return round->ended == tasks; });
  }

 private:
  // Each thread holds its own round: one that wakes late finds nothing left to do and harms nobody.
  struct Round {
    Round(int64_t tasks, const Task& task) : tasks(tasks), task(task) {}
    const int64_t tasks;
    const Task& task;  // valid while tasks are left
    std::atomic<int64_t> next{0}, ended{0};
  };

  // TensorFlow's threads take numbers below the normal ones for 0, ours would not: who computes a
  // value must not matter.
  class FlushDenormals {
#if defined(__x86_64__)
   public:
    FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040); }
    ~FlushDenormals() { _mm_setcsr(saved_); }

   private:
    const unsigned saved_;
#endif
  };

  void Work(Round& round, int slot) {
    const FlushDenormals flush;
    for (int64_t i = round.next++; i < round.tasks; i = round.next++) {
      round.task(i, slot);
      if (++round.ended < round.tasks) continue;
      std::lock_guard<std::mutex> lock(mutex_);  // the caller is either not waiting yet, or asleep
      ended_.notify_one();
    }
  }

  void Wait(int slot) {
    int64_t number = 0;
    for (std::shared_ptr<Round> seen;;) {
      // The next operation mostly follows at once, and to sleep and be woken takes longer than it.
      for (int i = 0; i < kSpins && rounds_ == number; i++) Pause();
      number = rounds_;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return round_ != seen; });
        seen = round_;
      }
      Work(*seen, slot);
    }
  }

  static constexpr int kSpins = 1000;  // some 20 µs

  static void Pause() {
#if defined(__x86_64__)
    _mm_pause();
#endif
  }

  const int count_;
  std::atomic<int64_t> rounds_{0};
  std::mutex callers_, mutex_;
  std::condition_variable wake_, ended_;
  std::shared_ptr<Round> round_;
};
