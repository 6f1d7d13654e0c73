#include "postgres_reader.hpp"

#include "postgres_link.hpp"
#include "postgres_text.hpp"

namespace qarax::server {

namespace {

class PostgresReader final : public Reader {
 public:
  explicit PostgresReader(const DatabaseUrl& url)
      : watch_(kAnswer), session_(connect_postgres(url, watch_)), link_(session_, watch_) {
    set_up();
  }
  ~PostgresReader() override { watch_.leave(); }
  PostgresReader(const PostgresReader&) = delete;
  PostgresReader& operator=(const PostgresReader&) = delete;

  Session& ready() override {
    if (!link_.alive()) {
      link_.reset();
      set_up();
    }
    return session_;
  }

 private:
  void set_up() {
    link_.set_up_session("qarax-reader");
    link_.set_limits();
    link_.ask("SET default_transaction_read_only = on");
    watch_.rest();
  }

  AnswerWatch watch_;
  Session session_;
  PostgresLink link_;
};

}  // namespace

Result<ReaderPtr> open_postgres_reader(const DatabaseUrl& url) {
  try {
    return ReaderPtr(std::make_unique<PostgresReader>(url));
  } catch (const Poco::Exception& e) {
    return database_down(url.shown(), one_line(e.displayText()));
  }
}

}  // namespace qarax::server
