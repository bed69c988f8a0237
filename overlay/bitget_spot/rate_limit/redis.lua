-- One step at a budget's log, in one go: `_policy.Log` in the server's language. What it means is told there; a test
-- holds the two against each other. The numbers of the policy stand before this text as locals of the same names.
--
-- KEYS[1]  the log, as JSON
-- ARGV     slot, client, period, requests, lease, fate ('' to take), warm ('' for none), limited ('1' or ''),
--          now ('' for the server's clock), known ('1' if the client has seen this log before)
-- Answers the seconds to wait, as text, and how many clients there are.

local slot, client, fate, clock = ARGV[1], ARGV[2], ARGV[6], ARGV[9]
local period, requests, lease = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local warm, limited = tonumber(ARGV[7]), ARGV[8] == '1'

local seconds, micros
if clock == '' then
  local time = redis.call('TIME')
  seconds, micros = tonumber(time[1]), tonumber(time[2]) / 1000000
else
  seconds = math.floor(tonumber(clock))
  micros = tonumber(clock) - seconds
end

-- JSON keeps fourteen digits here, so times count from the log's first second.
local text = redis.call('GET', KEYS[1])
local log = text and cjson.decode(text)
if not log then
  -- New, or lost while others have requests in flight. It was there if the client has seen it; otherwise it can only
  -- have been lost with the server, and requests from before it started are over some time after.
  local rest = period + HOLD
  if ARGV[10] == '' then
    local told = redis.pcall('INFO', 'server')
    rest = rest - (type(told) == 'string' and tonumber(string.match(told, 'uptime_in_seconds:(%d+)')) or 0)
  end
  log = {base = seconds, at = 0, slots = {}, tickets = {}, clients = {}, closed_for = 0}
  log.closed_until = micros + math.max(0, rest)
end
local now = seconds - log.base + micros
if now < log.at then
  -- The server's clock has been set back.
  log.base = log.base - (log.at - now)
  now = log.at
end
log.at = now

local me = log.clients[client]
if not me then
  me = {started = 0, now = false, before = false, known_now = 0, known_before = 0, bursts_now = 0, bursts_before = 0}
  log.clients[client] = me
end
me.seen = now
local clients = 0
for name, one in pairs(log.clients) do
  if one == me or now - one.seen < CLIENT_EXPIRY then
    clients = clients + 1
  else
    log.clients[name] = nil
  end
end

local function enough(one)
  return one.known_now + one.known_before >= WARM_NEEDED
end

local function taken_off()
  if not enough(me) then
    return 0
  end
  local least = math.huge
  for _, one in pairs(log.clients) do
    if enough(one) then
      local trust = math.min(TAKEN_OFF, TRUST * (one.bursts_now + one.bursts_before))
      least = math.min(least, trust * math.min(one.now or math.huge, one.before or math.huge))
    end
  end
  return least
end

local function place()
  local kept, found = {}, nil
  for _, ticket in ipairs(log.tickets) do
    if ticket[1] == slot or ticket[2] > now then
      kept[#kept + 1] = ticket
      if ticket[1] == slot then
        found = #kept
      end
    end
  end
  log.tickets = kept
  return found
end

local function waiting(found)
  local off, settled, ends = taken_off(), 0, {}
  for name, times in pairs(log.slots) do
    local known = times[3]
    local free_at = times[2] - (known and math.min(known, off) or 0)
    if times[2] <= now then
      log.slots[name] = nil
    elseif free_at > now then
      ends[#ends + 1] = free_at
      settled = settled + (known and 1 or 0)
    end
  end
  table.sort(ends)
  local wait = log.closed_until - now
  local needed = #ends + (found and found - 1 or #log.tickets) - requests
  if needed >= 0 then
    local opens = #ends > 0 and ends[math.min(needed + 1, #ends)] - now or POLL
    wait = math.max(wait, needed >= settled and math.min(opens, POLL) or opens)
  end
  return math.min(wait, PATIENCE)
end

local function give_back_ticket(found)
  if found then
    table.remove(log.tickets, found)
  end
end

local function take()
  local mine = log.slots[slot]
  if mine and not mine[3] then
    return 0
  end
  local occupied = 0
  for _ in pairs(log.slots) do
    occupied = occupied + 1
  end
  if #log.tickets > 0 or now < log.closed_until or occupied >= requests then
    local found = place()
    local wait = waiting(found)
    if wait > 0 then
      if not found then
        found = #log.tickets + 1
        log.tickets[found] = {slot}
      end
      log.tickets[found][2] = now + wait + PATIENCE
      return wait
    end
    give_back_ticket(found)
  end
  log.slots[slot] = {now, now + lease, false}
  return 0
end

local function learn()
  if now - me.started > WARM_EXPIRY then
    me.before, me.known_before, me.bursts_before = me.now, me.known_now, me.bursts_now
    me.started, me.now, me.known_now, me.bursts_now = now, false, 0, 0
  end
  if not me.burst or now - me.burst > BURST then
    me.burst, me.bursts_now = now, me.bursts_now + 1
  end
  me.known_now = me.known_now + 1
  me.now = math.min(me.now or math.huge, warm)
end

local function settle()
  for found, ticket in ipairs(log.tickets) do
    if ticket[1] == slot then
      give_back_ticket(found)
      break
    end
  end
  local mine = log.slots[slot] or {now}
  log.slots[slot] = nil
  if fate == 'UNSENT' then
    return
  end
  if warm then
    learn()
  end
  local free_at = now + period + PERIOD_MARGIN
  if fate == 'UNKNOWN' then
    log.slots[slot] = {mine[1], free_at + HOLD, 0}
  else
    log.slots[slot] = {mine[1], free_at, taken_off()}
  end
  if limited and mine[1] >= log.closed_until then
    log.closed_for = math.min(math.max(2 * log.closed_for, period), LONGEST_CLOSURE)
    log.closed_until = now + log.closed_for
  elseif fate == 'ANSWERED' and mine[1] >= log.closed_until then
    log.closed_for = 0
  end
end

local wait = 0
if fate == '' then
  wait = take()
else
  settle()
end
redis.call('SET', KEYS[1], cjson.encode(log))
return {string.format('%.17g', wait), clients}
