#include "cache/flights.h"

#include <utility>

namespace sportello::cache {

Flights::Joined Flights::join(const KeyView& key, Filling filling, const SessionFloor& floor,
                              const AnswerForm& form, Waiter waiter) {
  Joined joined;
  const std::scoped_lock lock(mutex_);
  std::shared_ptr<Flight>& flight = flights_[std::string(key.bytes)];
  // The floor first, the epochs last, as in a look-up.
  if (flight != nullptr && flight->form.covers(form) && floor.is_in(flight->filling.as_of) &&
      flight->filling.snapshot.is_valid()) {
    joined.ticket.flights_ = this;
    joined.ticket.flight_ = flight;
    joined.ticket.number_ = ++next_number_;
    flight->waiters.emplace_back(joined.ticket.number_, std::move(waiter));
    joined_.fetch_add(1, std::memory_order_relaxed);
    return joined;
  }
  flight = std::make_shared<Flight>(Flight{std::string(key.bytes), key.hash, std::move(filling), form, {}});
  flown_.fetch_add(1, std::memory_order_relaxed);
  joined.lead = Lead(*this, flight);
  return joined;
}

std::vector<std::pair<uint64_t, Flights::Waiter>> Flights::take_down(const std::shared_ptr<Flight>& flight) {
  const std::scoped_lock lock(mutex_);
  const auto found = flights_.find(flight->key);
  if (found != flights_.end() && found->second == flight) flights_.erase(found);
  return std::exchange(flight->waiters, {});
}

size_t Flights::in_the_air() const {
  const std::scoped_lock lock(mutex_);
  return flights_.size();
}

Flights::Lead& Flights::Lead::operator=(Lead&& other) noexcept {
  if (this != &other) {
    end(Landing::Again, nullptr);
    flights_ = other.flights_;
    flight_ = std::exchange(other.flight_, nullptr);
  }
  return *this;
}

KeyView Flights::Lead::key() const { return {flight_->key, flight_->hash}; }

const Filling& Flights::Lead::filling() const { return flight_->filling; }

void Flights::Lead::end(Landing how, const CachedResultRef& result) {
  if (flight_ == nullptr) return;
  const std::shared_ptr<Flight> flight = std::exchange(flight_, nullptr);
  for (const auto& [number, waiter] : flights_->take_down(flight)) waiter(how, result);
}

bool Flights::Ticket::leave() {
  const std::shared_ptr<Flight> flight = flight_.lock();
  if (flight == nullptr) return false;
  const std::scoped_lock lock(flights_->mutex_);
  return std::erase_if(flight->waiters, [this](const auto& waiter) { return waiter.first == number_; }) != 0;
}

}  // namespace sportello::cache
