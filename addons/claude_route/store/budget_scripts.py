"""What Redis does in one step for clients' limits: see `routing.budgets`, which decides alike for one instance.

A client's hash has what it has used in each period, under the period's name, with the period's begin beside it;
and for each instance what its requests under way may use: dollars (`hd:`), tokens (`ht:`), and the number of the
last settlement (`seq:`), so that none counts twice. What an instance held that no longer runs is free again.
"""

from __future__ import annotations

KEPT = 40 * 24 * 3600
"""Seconds that a client's hash is kept after its last change: longer than a month."""

_TURN = """
local function turn(period, start, begun)
    local since = start - tonumber(begun or -1)
    if since > 0 then
        redis.call('HSET', KEYS[1], period .. '.start', start, period, 0)
        if period == 'day' then redis.call('HSET', KEYS[1], 'tokens', 0) end
    end
    return since
end
"""
"""Begins again with a period that is over. Returns how much later the given begin of the period is than the one in the
hash, `begun`: above 0 if it has begun again, below if what is asked is about one that is over."""

_BEGUN = "redis.call('HGET', KEYS[1], period .. '.start')"

_HELD = """
local function held(key, own, running)
    local account, fields = {}, redis.call('HGETALL', key)
    for place = 1, #fields, 2 do account[fields[place]] = fields[place + 1] end
    local dollars, tokens = 0, 0
    for field, value in pairs(account) do
        local kind = string.sub(field, 1, 3)
        if kind == 'hd:' or kind == 'ht:' then
            local instance = string.sub(field, 4)
            if instance ~= own and redis.call('EXISTS', running .. instance) == 0 then
                redis.call('HDEL', key, field, 'seq:' .. instance)
            elseif kind == 'hd:' then
                dollars = dollars + tonumber(value)
            else
                tokens = tokens + tonumber(value)
            end
        end
    end
    return account, dollars, tokens
end
"""
"""What a client's hash has, and the dollars and tokens that its requests under way may use."""

RESERVE = f"""
{_TURN}
{_HELD}
local now = tonumber(ARGV[1])
local account, dollars, tokens = held(KEYS[1], ARGV[2], ARGV[3])
for place, period in ipairs({{'day', 'week', 'month'}}) do
    if turn(period, tonumber(ARGV[place + 3]), account[period .. '.start']) > 0 then
        account[period] = '0'
        if period == 'day' then account['tokens'] = '0' end
    end
end
local limits = {{
    {{'day', tonumber(ARGV[11]), tonumber(account['day']), dollars}},
    {{'week', tonumber(ARGV[12]), tonumber(account['week']), dollars}},
    {{'month', tonumber(ARGV[13]), tonumber(account['month']), dollars}},
    {{'tokens', tonumber(ARGV[14]), tonumber(account['tokens']), tokens}},
}}
local refusal, which, wait = '', '', 0
local rate = tonumber(ARGV[10])
if ARGV[9] == '0' then
    for _, limit in ipairs(limits) do
        if limit[2] > 0 and limit[3] >= limit[2] then refusal = 'use' end
    end
    if refusal == '' and rate > 0 then
        redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 60)
        local count = redis.call('ZCARD', KEYS[2])
        if count >= rate then
            local first = redis.call('ZRANGE', KEYS[2], count - rate, count - rate, 'WITHSCORES')
            refusal, wait = 'rate', tonumber(first[2]) + 60 - now
        end
    end
    if refusal == '' then
        for _, limit in ipairs(limits) do
            if limit[2] > 0 and limit[3] + limit[4] >= limit[2] and refusal == '' then
                refusal, which = 'busy', limit[1]
            end
        end
    end
end
if refusal == '' then
    if rate > 0 then
        redis.call('ZADD', KEYS[2], now, ARGV[15])
        redis.call('EXPIRE', KEYS[2], 61)
    end
    redis.call('HINCRBYFLOAT', KEYS[1], 'hd:' .. ARGV[2], ARGV[7])
    redis.call('HINCRBY', KEYS[1], 'ht:' .. ARGV[2], ARGV[8])
end
redis.call('EXPIRE', KEYS[1], {KEPT})
return table.concat(
    {{refusal, which, wait, account['day'], account['week'], account['month'], account['tokens']}}, ' '
)
"""
"""Keys: the client's hash, and the times of its requests. Arguments: now; the instance; how keys of instances
begin; when day, week and month began; the most dollars and tokens; 1 if it must go; requests a minute; dollars a
day, week and month, and tokens a day (0: no limit); a name for the request that no other has."""

SETTLE = f"""
local last = tonumber(redis.call('HGET', KEYS[1], 'seq:' .. ARGV[2]) or 0)
if tonumber(ARGV[1]) <= last then return 0 end
{_TURN}
redis.call('HSET', KEYS[1], 'seq:' .. ARGV[2], ARGV[1])
for place, period in ipairs({{'day', 'week', 'month'}}) do
    if turn(period, tonumber(ARGV[place + 2]), {_BEGUN}) >= 0 then
        redis.call('HINCRBYFLOAT', KEYS[1], period, ARGV[6])
        if period == 'day' then redis.call('HINCRBY', KEYS[1], 'tokens', ARGV[7]) end
    end
end
local dollars, tokens = 'hd:' .. ARGV[2], 'ht:' .. ARGV[2]
if redis.call('HINCRBY', KEYS[1], tokens, string.format('%.0f', 0 - ARGV[9])) <= 0 then
    redis.call('HDEL', KEYS[1], dollars, tokens)
else
    redis.call('HINCRBYFLOAT', KEYS[1], dollars, string.format('%.9f', 0 - ARGV[8]))
end
redis.call('EXPIRE', KEYS[1], {KEPT})
return 1
"""
"""Arguments: the settlement's number; the instance; when day, week and month began; dollars and tokens that were
used; dollars and tokens that were reserved."""

RESTORE = f"""
{_TURN}
for place, period in ipairs({{'day', 'week', 'month'}}) do
    if turn(period, tonumber(ARGV[place + 1]), {_BEGUN}) >= 0 then
        local used = tonumber(redis.call('HGET', KEYS[1], period) or 0)
        if tonumber(ARGV[place + 4]) > used then redis.call('HSET', KEYS[1], period, ARGV[place + 4]) end
        if period == 'day' and tonumber(ARGV[8]) > tonumber(redis.call('HGET', KEYS[1], 'tokens') or 0) then
            redis.call('HSET', KEYS[1], 'tokens', ARGV[8])
        end
    end
end
local dollars, tokens = 'hd:' .. ARGV[1], 'ht:' .. ARGV[1]
if tonumber(ARGV[10]) > 0 then
    redis.call('HSET', KEYS[1], dollars, ARGV[9], tokens, ARGV[10])
else
    redis.call('HDEL', KEYS[1], dollars, tokens)
end
redis.call('EXPIRE', KEYS[1], {KEPT})
return 1
"""
"""Makes up for what Redis has lost: at least this much was used, and exactly this much is reserved. Arguments: the
instance; when day, week and month began; dollars in each, tokens today; dollars and tokens that are reserved."""

LOOK = f"""
{_HELD}
local seen = {{}}
for place = 1, #KEYS, 2 do
    local account, dollars, tokens = held(KEYS[place], ARGV[2], ARGV[3])
    for which, period in ipairs({{'day', 'week', 'month'}}) do
        if tonumber(account[period .. '.start'] or -1) ~= tonumber(ARGV[which + 3]) then
            account[period] = '0'
            if period == 'day' then account['tokens'] = '0' end
        end
    end
    local requests = redis.call('ZCOUNT', KEYS[place + 1], '(' .. (ARGV[1] - 60), '+inf')
    table.insert(seen, {{
        account['day'], account['week'], account['month'], account['tokens'] or '0',
        tostring(dollars), tostring(tokens), tostring(requests),
    }})
end
return seen
"""
"""How clients stand. Keys: for each, its hash and the times of its requests. Arguments: now; the instance; how
keys of instances begin; when day, week and month began."""
