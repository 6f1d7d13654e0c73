#include "call_queue.hpp"

#include <memory>

#include "qarax/core/threads.hpp"

namespace qarax::server {

CallQueue::CallQueue()
    : thread_([this] {
        core::name_this_thread("node-calls");
        void* tag = nullptr;
        bool ok = false;
        while (queue_.Next(&tag, &ok)) {
          core::guarded("node-calls", [&] {
            const std::unique_ptr<Tag> call(static_cast<Tag*>(tag));
            call->finished(ok);
          });
        }
      }) {}

CallQueue::~CallQueue() {
  queue_.Shutdown();
  thread_.join();
}

}  // namespace qarax::server
