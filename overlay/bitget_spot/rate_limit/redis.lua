-- One operation on the state of a budget, executed atomically by the server. The rules are those of `policy.LimiterState`
-- and `latency.LatencyEstimate`, function by function and under the same names; a differential test over random
-- histories holds the two together. Python puts the constants of both modules in front of this text as locals.
--
-- KEYS[1]  the state, as JSON
-- ARGV     permit, participant, period, requests, lease, result ('' to acquire), latency ('' for none),
--          rate_limited ('1' or ''), now ('' for the server's clock), seen ('1' if the client has seen this state before)
-- Returns the seconds to wait, as text, and the number of participants.

local name, participant_name, result, clock = ARGV[1], ARGV[2], ARGV[6], ARGV[9]
local period, requests, lease = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local latency, rate_limited, seen_before = tonumber(ARGV[7]), ARGV[8] == '1', ARGV[10] == '1'

local function server_time()
  if clock == '' then
    local time = redis.call('TIME')
    return tonumber(time[1]), tonumber(time[2]) / 1000000
  end
  local seconds = math.floor(tonumber(clock))
  return seconds, tonumber(clock) - seconds
end

local function server_uptime()
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and tonumber(string.match(info, 'uptime_in_seconds:(%d+)')) or 0
end

-- The state is missing: it is new, or it was lost while requests were in flight. A client that has seen it knows that it
-- was lost. For the others it can only have been lost with the server, and the requests from before the server's start
-- are over after a while. Until then no permit is given.
local function new_state(seconds, fraction)
  local pause = period + IN_FLIGHT_GRACE
  if not seen_before then
    pause = math.max(0, pause - server_uptime())
  end
  return {
    base = seconds, at = 0, permits = {}, tickets = {}, participants = {},
    paused_until = fraction + pause, pause_length = 0,
  }
end

local seconds, fraction = server_time()
local text = redis.call('GET', KEYS[1])
local state = text and cjson.decode(text) or new_state(seconds, fraction)
-- JSON keeps fourteen digits here, so times count from the state's first second.
local now = seconds - state.base + fraction
if now < state.at then
  -- The server's clock was set back.
  state.base = state.base - (state.at - now)
  now = state.at
end
state.at = now

local function new_latency_estimate()
  return {window_started_at = 0, current = {samples = 0, bursts = 0}, previous = {samples = 0, bursts = 0}}
end

local function touch()
  local me = state.participants[participant_name]
  if not me then
    me = {latency = new_latency_estimate()}
    state.participants[participant_name] = me
  end
  me.last_seen = now
  local count = 0
  for other, each in pairs(state.participants) do
    if now - each.last_seen >= PARTICIPANT_EXPIRY then
      state.participants[other] = nil
    else
      count = count + 1
    end
  end
  return me, count
end

local me, participant_count = touch()

local function is_reliable(estimate)
  return estimate.current.samples + estimate.previous.samples >= MIN_SAMPLES
end

local function credit_of(estimate)
  local trust = math.min(LATENCY_FACTOR, BURST_TRUST * (estimate.current.bursts + estimate.previous.bursts))
  return trust * math.min(estimate.current.shortest or math.huge, estimate.previous.shortest or math.huge)
end

local function smallest_credit()
  if not is_reliable(me.latency) then
    return 0
  end
  local smallest = math.huge
  for _, each in pairs(state.participants) do
    if is_reliable(each.latency) then
      smallest = math.min(smallest, credit_of(each.latency))
    end
  end
  return smallest
end

local function add_latency(estimate)
  if now - estimate.window_started_at > WINDOW_LENGTH then
    estimate.window_started_at = now
    estimate.previous = estimate.current
    estimate.current = {samples = 0, bursts = 0}
  end
  local current = estimate.current
  if not estimate.burst_started_at or now - estimate.burst_started_at > BURST_LENGTH then
    estimate.burst_started_at = now
    current.bursts = current.bursts + 1
  end
  current.samples = current.samples + 1
  current.shortest = math.min(current.shortest or math.huge, latency)
end

local function forget_latency()
  for _, each in pairs(state.participants) do
    each.latency = new_latency_estimate()
  end
end

-- Remove expired permits, and expired tickets other than this one; return the position of this one, if it has any.
local function purge()
  for key, permit in pairs(state.permits) do
    if permit.expires_at <= now then
      state.permits[key] = nil
    end
  end
  local kept, position = {}, nil
  for _, ticket in ipairs(state.tickets) do
    if ticket[1] == name or ticket[2] > now then
      kept[#kept + 1] = ticket
      if ticket[1] == name then
        position = #kept
      end
    end
  end
  state.tickets = kept
  return position
end

local function remove_ticket()
  for position, ticket in ipairs(state.tickets) do
    if ticket[1] == name then
      table.remove(state.tickets, position)
      return
    end
  end
end

local function next_release(excess, times, released)
  if #times == 0 then
    return POLL_INTERVAL
  end
  table.sort(times)
  local wait = times[math.min(excess + 1, #times)] - now
  if excess >= released then
    return math.min(wait, POLL_INTERVAL)
  end
  return wait
end

local function wait_time(position)
  local credit, times, released = smallest_credit(), {}, 0
  for _, permit in pairs(state.permits) do
    local available_at = permit.expires_at
    if permit.max_credit then
      available_at = available_at - math.min(permit.max_credit, credit)
    end
    if not permit.max_credit then
      times[#times + 1] = available_at
    elseif available_at > now then
      times[#times + 1] = available_at
      released = released + 1
    end
  end
  local wait = state.paused_until - now
  local ahead = position and position - 1 or #state.tickets
  local excess = #times + ahead - requests
  if excess >= 0 then
    wait = math.max(wait, next_release(excess, times, released))
  end
  return math.min(wait, MAX_POLL_WAIT)
end

local function acquire()
  local permit = state.permits[name]
  if permit and not permit.max_credit then
    return 0
  end
  local occupied = 0
  for _ in pairs(state.permits) do
    occupied = occupied + 1
  end
  if #state.tickets > 0 or now < state.paused_until or occupied >= requests then
    local position = purge()
    local wait = wait_time(position)
    if wait > 0 then
      if not position then
        position = #state.tickets + 1
        state.tickets[position] = {name}
      end
      state.tickets[position][2] = now + wait + MAX_POLL_WAIT
      return wait
    end
    remove_ticket()
  end
  state.permits[name] = {acquired_at = now, expires_at = now + lease}
  return 0
end

local function adjust_pause()
  if rate_limited then
    state.pause_length = math.min(math.max(2 * state.pause_length, period), MAX_PAUSE)
    state.paused_until = now + state.pause_length
  elseif result == 'COUNTED' then
    state.pause_length = 0
  end
end

local function release()
  remove_ticket()
  local permit = state.permits[name] or {acquired_at = now}
  state.permits[name] = nil
  if result == 'NOT_SENT' then
    return
  end
  if rate_limited then
    forget_latency()
  elseif latency then
    add_latency(me.latency)
  end
  permit.expires_at = now + period + PERIOD_MARGIN
  if result == 'UNCERTAIN' then
    permit.expires_at = permit.expires_at + IN_FLIGHT_GRACE
    permit.max_credit = 0
  else
    permit.max_credit = smallest_credit()
  end
  state.permits[name] = permit
  if permit.acquired_at >= state.paused_until then
    adjust_pause()
  end
end

local wait = 0
if result == '' then
  wait = acquire()
else
  release()
end
redis.call('SET', KEYS[1], cjson.encode(state))
return {string.format('%.17g', wait), participant_count}
