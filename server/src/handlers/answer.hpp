// What a handler returns, and the one place where its Error becomes the problem document.
#pragma once

#include <utility>

#include "http/request.hpp"
#include "http/response.hpp"
#include "http/router.hpp"
#include "qarax/result.hpp"

namespace qarax::server {

// The response, or the Error that the client is to be told of. A refusal with header fields of its own is a response.
using Answer = Result<http::Response>;

// The problem of an Error; details with the pointers "/job_id" and "/console_tail" become the document's members.
http::Response refuse(const http::Request& request, Error error);

// Makes a handler for the router of `handle`, which takes the request and returns an Answer.
template <class Handle>
http::Handler answering(Handle handle) {
  return [handle = std::move(handle)](const http::Request& request) -> http::Response {
    Answer answer = handle(request);
    if (!answer) return refuse(request, std::move(answer).error());
    return *std::move(answer);
  };
}

}  // namespace qarax::server
