"""What Redis does in one step each, so that instances never undo each other's changes.

They are sent whole each time: Redis knows a script by its digest, and forgets it with a restart. None needs
Redis 7, and Valkey runs them too.
"""

from __future__ import annotations

KEPT = 9 * 24 * 3600
"""Seconds that a token's hash is kept after its last change: longer than the longest rest."""

_CHANGED = f"""
local count = redis.call('INCR', KEYS[2] .. ':count')
redis.call('ZADD', KEYS[2], count, ARGV[1])
redis.call('EXPIRE', KEYS[1], {KEPT})
return count
"""
"""The end of each script that changes a token. Keys: its hash, CHANGED. The first argument: its digest."""

REST = f"""
local held = redis.call('HGET', KEYS[1], ARGV[2])
if held and cjson.decode(held)[1] >= cjson.decode(ARGV[3])[1] then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
{_CHANGED}
"""
"""Rests a token, but never shortens a rest. Arguments: digest, field, value."""

ANSWERED = f"""
local ended = 0
for place = 3, #ARGV do
    local text = redis.call('HGET', KEYS[1], ARGV[place])
    if text then
        local held = cjson.decode(text)
        if held[2] < tonumber(ARGV[2]) and not held[3] then
            ended = ended + redis.call('HDEL', KEYS[1], ARGV[place])
        end
    end
end
if ended == 0 then return 0 end
{_CHANGED}
"""
"""Ends the rests that began before a request which was answered. Arguments: digest, when it was sent, fields."""

SET = f"""
for place = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[place], ARGV[place + 1]) end
{_CHANGED}
"""
"""Arguments: digest, fields with their values."""

REMOVE = f"""
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    for place = 2, #ARGV do
        if string.sub(field, 1, #ARGV[place]) == ARGV[place] then redis.call('HDEL', KEYS[1], field) end
    end
end
{_CHANGED}
"""
"""Arguments: digest, beginnings of fields."""

POLL = """
redis.call('SET', KEYS[3], 1, 'EX', ARGV[4])
if not redis.call('GET', KEYS[2]) then redis.call('SET', KEYS[2], ARGV[2]) end
local epoch = redis.call('GET', KEYS[2])
local since = ARGV[1]
if epoch ~= ARGV[3] then since = 0 end
local changed = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. since, '+inf')) do
    table.insert(changed, {name, redis.call('HGETALL', ARGV[5] .. name)})
end
return {epoch, tonumber(redis.call('GET', KEYS[1] .. ':count') or 0), changed}
"""
"""The tokens that changed. Keys: CHANGED, EPOCH, the instance. Arguments: the count up to which it knows them;
a new epoch, should there be none; the epoch that it knows; for how many seconds it counts as running; how keys
of tokens begin."""

SEAT = """
local own = redis.call('GET', KEYS[1]) or ARGV[2]
local free, first, after = {}, nil, nil
local last = redis.call('GET', KEYS[2])
local passed = false
for place = 3, #ARGV, 2 do
    local name = ARGV[place]
    if ARGV[place + 1] == '1' then
        if name == own then
            redis.call('SET', KEYS[1], name, 'EX', ARGV[1])
            return name
        end
        first = first or name
        if passed then after = after or name end
    end
    if name == last then passed = true end
end
local next = after or first
if not next then return false end
redis.call('SET', KEYS[1], next, 'EX', ARGV[1])
redis.call('SET', KEYS[2], next)
return next
"""
"""The token of a session: its own, if that is available, else the next one. Keys: the session's, TURN. Arguments:
seconds to keep it; the token that the instance knows, or nothing; the pool's tokens, each with 1 if it is
available and 0 if not."""

MOVE = """
local own = redis.call('GET', KEYS[1])
if own and own ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[1])
return 1
"""
"""A session has moved, unless another instance has moved it elsewhere. Arguments: seconds to keep it; the token
before, or nothing; the one after."""
