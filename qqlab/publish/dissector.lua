-- Made by `qqlab spec export --format wireshark`; for Wireshark and tshark 4.0 and later.
--
-- In use:      tshark -X lua_script:THIS_FILE -r packets.pcapng -Y SHORT
-- For good:    put it into the folder that Wireshark's Help > About > Folders calls "Personal Lua Plugins"
-- Other ports: -o SHORT.ports:8000,8080-8090, or Decode As. A connection on any port is taken for this protocol too
--              where its first message says so in its first packet.
--
-- Fields: SHORT.FIELD is one that every message has, SHORT.COMMAND.FIELD one of a command, SHORT.COMMAND.request.FIELD and
-- SHORT.COMMAND.reply.FIELD where both directions have it and mean different things. An item of a list is an occurrence
-- of its own. Numbers and codes are numbers; account numbers, versions and hex stay text, since leading zeros count.
-- What is odd is an expert info, SHORT.note.…. A request leads to its reply (SHORT.response_in) and back
-- (SHORT.request_in, SHORT.time).

local spec = --[[SPEC]] nil

local proto = Proto(spec.short, spec.title)
local NAME = spec.short:upper()

------------------------------------------------------------------------------------------------------------- fields

-- The fields of a message in the server's order, and by key.
local function arranged(fields)
    local by_key = {}
    for _, field in ipairs(fields) do by_key[field.key:upper()] = field end
    return { fields = fields, by_key = by_key }
end

for _, command in pairs(spec.commands) do
    command.request, command.reply = arranged(command.request), arranged(command.reply)
end
spec.common = { request = arranged(spec.common.request), reply = arranged(spec.common.reply) }

local tables = {}  -- of value strings, by name
for name, codes in pairs(spec.codes) do
    tables[name] = {}
    for value, code in pairs(codes) do tables[name][value] = code.name end
end

local own = {}
local all = {}
for index, field in ipairs(spec.fields) do
    if field.number then
        own[index] = ProtoField.int64(field.abbr, field.name, base.DEC, tables[field.codes], nil, field.doc)
    else
        own[index] = ProtoField.string(field.abbr, field.name, base.UNICODE, field.doc)
    end
    all[index] = own[index]
end

local function add(kind, name, ...)
    local field = ProtoField[kind](spec.short .. "." .. name, ...)
    all[#all + 1] = field
    return field
end

local f_direction = add("string", "direction", "Direction", base.ASCII, "request, reply or push")
local f_command = add("string", "command", "Command", base.UNICODE, "The command as the spec spells it")
local f_transport = add("string", "transport", "Transport", base.ASCII, "http or lines")
local f_status = add("uint16", "http_status", "HTTP status", base.DEC)
local f_head = add("string", "head", "Head", base.UNICODE, "What stands before the body")
local f_unknown = add("string", "unknown", "Field that is not in the spec", base.UNICODE)
local f_odd = add("string", "odd", "Value that is not of its type", base.UNICODE)
local f_meaning = add("string", "meaning", "Meaning of a value beside others", base.UNICODE)
local f_request_in = add("framenum", "request_in", "Request in", base.NONE, frametype.REQUEST)
local f_response_in = add("framenum", "response_in", "Reply in", base.NONE, frametype.RESPONSE)
local f_time = add("relative_time", "time", "Time since the request")
proto.fields = all

local notes = {}
local experts = {}
for code, note in pairs({
    command_missing = { "The message names no command", expert.group.PROTOCOL, expert.severity.ERROR },
    command_unknown = { "The spec has no such command", expert.group.UNDECODED, expert.severity.WARN },
    code_unknown = { "The value stands in no code table of the spec", expert.group.UNDECODED, expert.severity.WARN },
    field_undocumented = { "The spec does not have this field here", expert.group.UNDECODED, expert.severity.WARN },
    field_missing = { "A required field is absent", expert.group.PROTOCOL, expert.severity.WARN },
    value_type = { "The value is not of the documented type", expert.group.PROTOCOL, expert.severity.WARN },
    value_constant = { "The value is none of those that the spec knows", expert.group.PROTOCOL, expert.severity.WARN },
    list_length = { "Lists that belong together have different lengths", expert.group.PROTOCOL, expert.severity.WARN },
    list_count = { "The count field does not say how many rows there are", expert.group.PROTOCOL, expert.severity.WARN },
    echo = { "The reply does not repeat what the request said", expert.group.SEQUENCE, expert.severity.WARN },
    failure = { "The code means failure", expert.group.RESPONSE_CODE, expert.severity.WARN },
    http_status = { "The HTTP status is not 200", expert.group.RESPONSE_CODE, expert.severity.WARN },
    body_foreign = { "The body is not of this protocol", expert.group.UNDECODED, expert.severity.ERROR },
    body_empty = { "The body is empty", expert.group.PROTOCOL, expert.severity.ERROR },
    cut = { "The end of the message was not caught", expert.group.MALFORMED, expert.severity.NOTE },
}) do
    notes[code] = ProtoExpert.new(spec.short .. ".note." .. code, note[1], note[2], note[3])
    experts[#experts + 1] = notes[code]
end
proto.experts = experts

proto.prefs.ports = Pref.range("TCP ports", spec.ports, "Ports on which servers of this protocol listen", 65535)

local stream_of = Field.new("tcp.stream")
local ends_here = Field.new("tcp.flags.fin")

-------------------------------------------------------------------------------------------------------------- bytes

local function stripped(text) return (text:gsub("^[ \r\n]+", ""):gsub("[ \r\n]+$", "")) end

-- The pair's layer undone; the second value says for each byte of the first at which byte it began.
local function unescaped(raw, plus)
    if not raw:find("%", 1, true) and not (plus and raw:find("+", 1, true)) then return raw, nil end
    local bytes, places, at = {}, {}, 1
    while at <= #raw do
        local hex = raw:match("^%%(%x%x)", at)
        local byte = raw:sub(at, at)
        bytes[#bytes + 1] = hex and string.char(tonumber(hex, 16)) or (plus and byte == "+") and " " or byte
        places[#places + 1] = at
        at = at + (hex and 3 or 1)
    end
    places[#places + 1] = #raw + 1
    return table.concat(bytes), places
end

-- Whether + is a blank, judged by how the sender encodes.
local function plus_is_blank(body)
    if not body:find("+", 1, true) or body:find("[^%w_%.%-%*~%%%+&=]") or body:find("%20", 1, true) then return false end
    for hex in body:gmatch("%%(%x%x)") do
        if not ("25 26 2c 0d 0a"):find(hex:lower(), 1, true) then return true end
    end
    return false
end

local function item_unescaped(text)
    return (text:gsub("%%(%x%x)", function(hex) return spec.list_escapes[hex:lower()] end))
end

local function is_utf8(text)
    local at = 1
    while at <= #text do
        local first = text:byte(at)
        local more = first < 0x80 and 0 or first < 0xC2 and -1 or first < 0xE0 and 1 or first < 0xF0 and 2 or first < 0xF5 and 3 or -1
        if more < 0 then return false end
        for next = at + 1, at + more do
            local byte = text:byte(next)
            if not byte or byte < 0x80 or byte > 0xBF then return false end
        end
        local second = text:byte(at + 1)
        if first == 0xE0 and second < 0xA0 or first == 0xED and second > 0x9F then return false end
        if first == 0xF0 and second < 0x90 or first == 0xF4 and second > 0x8F then return false end
        at = at + more + 1
    end
    return true
end

local function is_gb18030(text)
    local at = 1
    while at <= #text do
        local a, b, c, d = text:byte(at, at + 3)
        if a < 0x80 then
            at = at + 1
        elseif a == 0x80 or a == 0xFF or not b then
            return false
        elseif b >= 0x40 and b ~= 0x7F and b ~= 0xFF then
            at = at + 2
        elseif b >= 0x30 and b <= 0x39 and c and c >= 0x81 and c <= 0xFE and d and d >= 0x30 and d <= 0x39 then
            at = at + 4
        else
            return false
        end
    end
    return true
end

local checks = { ENC_UTF_8 = is_utf8, ENC_GB18030 = is_gb18030 }

-- The first of the spec's charsets that explains these bytes, nil where none does.
local function charset_of(bytes)
    for _, name in ipairs(spec.charsets) do
        if _G[name] and (not checks[name] or checks[name](bytes)) then return name end
    end
    return nil
end

local function numbered(byte) return string.format("\\x%02x", byte:byte()) end

-- Bytes as UTF-8 text; what no charset explains becomes \xNN, and so does a byte that ends texts in C.
local function text_of(bytes, charset)
    bytes = bytes:gsub("%z", "\\x00")
    if charset == nil then return (bytes:gsub("[\128-\255]", numbered)) end
    if charset == "ENC_UTF_8" or not bytes:find("[\128-\255]") then return bytes end
    -- Up to Wireshark 4.0 `string` cuts what is longer in UTF-8 than it was; `stringz` does not.
    return ByteArray.new(bytes .. "\0", true):tvb(NAME .. ": text"):range():stringz(_G[charset])
end

local function one_line(text) return (text:gsub("%c", numbered)) end

-- A whole number of up to 18 digits, exact; nil for any other text.
local function whole(text)
    local sign, digits = text:match("^(%-?)(%d+)$")
    if not digits or #digits > 18 then return nil end
    local high = digits:sub(1, -10)
    local number = Int64(tonumber(high == "" and "0" or high)) * Int64(1000000000) + Int64(tonumber(digits:sub(-9)))
    return sign == "-" and Int64(0) - number or number
end

------------------------------------------------------------------------------------------------------------ messages

local function split(body)
    local pairs_, at = {}, 1
    while true do
        local stop = body:find("&", at, true) or #body + 1
        local segment = body:sub(at, stop - 1)
        local equals = segment:find("=", 1, true)
        pairs_[#pairs_ + 1] = {
            at = at,
            key = unescaped(equals and segment:sub(1, equals - 1) or segment),
            value_at = equals and at + equals or stop,
            raw = equals and segment:sub(equals + 1) or nil,
            length = #segment,
        }
        at = stop + 1
        if at > #body + 1 or #pairs_ >= 1000 then break end
    end
    if #pairs_ > 1 and pairs_[#pairs_].length == 0 then pairs_[#pairs_] = nil end
    return pairs_
end

local function role(fields, name)
    for _, pair in ipairs(fields) do
        if pair.raw and pair.key:upper() == name:upper() then return stripped((unescaped(pair.raw))) end
    end
    return nil
end

-- Whether a body is of this protocol: it names a command that the spec has, and one more role's field beside it.
local function recognised(body)
    local fields = split(body:sub(1, 4096))
    local command = role(fields, spec.roles.command)
    if not command or not spec.commands[command:upper()] then return false end
    return (role(fields, spec.roles.version) or role(fields, spec.roles.sequence) or role(fields, spec.roles.account)) ~= nil
end

local function code_of(field, value)
    return field.codes and spec.codes[field.codes][tonumber(tostring(value))] or nil
end

local Decoding = {}
Decoding.__index = Decoding

function Decoding:note(item, code, text) item:add_proto_expert_info(notes[code], text) end

-- Adds one value; `from` and `length` are its place in the body, from 1.
function Decoding:value(tree, field, text, from, length)
    local range = self.tvb:range(self.at + from - 1, length)
    local core = text:gsub("^ +", ""):gsub(" +$", "")
    local item
    if field.number then
        local number = whole(core)
        if number then
            item = tree:add(own[field.index], range, number)
            local code = code_of(field, number)
            if code and code.ok == false then
                self:note(item, "failure", field.key .. "=" .. tostring(number) .. " " .. code.name)
            elseif field.codes and field.type == "code" and not code then
                self:note(item, "code_unknown", field.key .. ": " .. tostring(number) .. " is in no table")
            end
            if code and spec.judges[field.codes] then
                self.told[#self.told + 1] = field.key .. "=" .. tostring(number) .. " " .. code.name
            end
            if field.constants and not field.constants[core] then
                self:note(item, "value_constant", field.key .. ": " .. core)
            end
            return item, tonumber(tostring(number))
        end
        item = tree:add(f_odd, range, text):set_text(field.key .. ": " .. (text == "" and "(empty)" or one_line(text)))
        if text ~= "" then self:note(item, "value_type", field.key .. ": is no number") end
        return item, nil
    end
    item = tree:add(own[field.index], range, field.type == "text" and text or core)
    local pattern = spec.patterns[field.type]
    if core ~= "" and pattern and core:gsub(pattern, "") ~= "" then
        self:note(item, "value_type", field.key .. ": is not of type " .. field.type)
    elseif core ~= "" and field.constants and not field.constants[core] then
        self:note(item, "value_constant", field.key .. ": " .. core)
    end
    return item, text
end

function Decoding:list(tree, field, bytes, places, charset, pair)
    local branch = tree:add(proto, self.tvb:range(self.at + pair.at - 1, pair.length))
    local items, at, count = {}, 1, 0
    while at <= #bytes and count < 10000 do
        local stop = bytes:find(spec.separator, at, true) or #bytes + 1
        local from = places and places[at] or at
        local to = places and places[stop] or stop
        local text = item_unescaped(text_of(bytes:sub(at, stop - 1), charset))
        local item, value = self:value(branch, field, text, pair.value_at + from - 1, to - from)
        count = count + 1
        items[count] = { item = item, value = value, text = text }
        at = stop + 1
    end
    branch:set_text(string.format("%s: %d item%s", field.key, count, count == 1 and "" or "s"))
    return branch, items
end

function Decoding:field(tree, pair, is_last)
    local field = self.layout[pair.key:upper()]
    if pair.raw == nil and pair.key == "" then return end
    local raw = pair.raw or ""
    if is_last and raw:sub(-1) == "\n" then raw = raw:gsub("[\r\n]+$", "") end
    local bytes, places = unescaped(raw, self.plus)
    local charset = charset_of(bytes)
    local from, length = pair.value_at, #raw
    if not field then
        local key = text_of(pair.key, charset_of(pair.key))
        local item = tree:add(f_unknown, self.tvb:range(self.at + pair.at - 1, pair.length), key .. "=" .. text_of(bytes, charset))
        if self.command then self:note(item, "field_undocumented", self.command.name .. ": has " .. key) end
        self.foreign = self.foreign + 1
        return
    end
    local found = { field = field }
    if field.list then
        found.item, found.items = self:list(tree, field, bytes, places, charset, pair)
    else
        local text = text_of(bytes, charset)
        if field.layers == 2 then text = item_unescaped(text) end
        found.item, found.value = self:value(tree, field, text, from, length)
        found.text = text:gsub("^ +", ""):gsub(" +$", "")
    end
    if not self.first[field.key] then self.first[field.key] = found end
end

function Decoding:holds(field)
    for name, allowed in pairs(field.when or {}) do
        local other = self.first[name]
        if not other or not allowed[other.value] then return false end
    end
    return true
end

function Decoding:went_well()
    local status = self.first[spec.roles.status]
    if not status then return true end
    local code = code_of(status.field, status.value)
    return code ~= nil and code.ok ~= false
end

function Decoding:missing(tree)
    local whole_reply = self.direction == "request" or self:went_well()
    for _, field in ipairs(self.fields) do
        if field.required and not self.first[field.key] and (whole_reply or field.common) and self:holds(field) then
            self:note(tree, "field_missing", self.command.name .. ": the " .. self.direction .. " has no " .. field.key)
        end
    end
end

function Decoding:case(field, value, beside)
    for _, case in ipairs(field.cases or {}) do
        if case.values[beside(case.field)] then
            local code = case.codes and spec.codes[case.codes][tonumber(value)]
            return code and code.name or case.doc, case.codes and not code
        end
    end
    return nil
end

function Decoding:rows(tree)
    for _, rows in ipairs(self.command and self.command.rows or {}) do
        if rows.direction == self.direction then self:table(tree, rows) end
    end
end

function Decoding:table(tree, rows)
    local most, least, columns = 0, nil, {}
    for _, name in ipairs(rows.columns) do
        local found = self.first[name]
        if found and found.items then
            columns[#columns + 1] = { name = name, items = found.items, field = found.field }
            most = math.max(most, #found.items)
            least = math.min(least or #found.items, #found.items)
        end
    end
    if #columns == 0 then return end
    if least ~= most then self:note(tree, "list_length", rows.name .. ": from " .. least .. " to " .. most .. " items") end
    local count = rows.count and self.first[rows.count]
    if count and count.value and count.value ~= most then
        self:note(count.item, "list_count", rows.count .. " says " .. count.value .. ", there are " .. most)
    end
    local branch = tree:add(proto):set_text(string.format("Rows: %d %s%s", most, rows.name, most == 1 and "" or "s"))
    branch:set_generated(true)
    for index = 1, math.min(most, 1000) do
        local function beside(name)
            for _, column in ipairs(columns) do
                if column.name == name and column.items[index] then return column.items[index].value end
            end
        end
        local cells, row = {}, branch:add(proto)
        for _, column in ipairs(columns) do
            local cell = column.items[index]
            if cell then
                local code = code_of(column.field, cell.value)
                local meaning, unknown = self:case(column.field, cell.value, beside)
                if meaning then row:add(f_meaning, meaning):set_generated(true) end
                if unknown then self:note(cell.item, "code_unknown", column.name .. ": " .. cell.text .. " is in no table") end
                meaning = code and code.name or meaning
                cells[#cells + 1] = column.name .. " " .. one_line(cell.text) .. (meaning and " (" .. meaning .. ")" or "")
            end
        end
        row:set_text(index .. ": " .. table.concat(cells, ", "))
        row:set_generated(true)
    end
end

-- What a reply has to repeat.
function Decoding:echoes(tree, link)
    for name, said in pairs(link.said or {}) do
        local found = self.first[name]
        if found and found.field.echo and found.text and said ~= "" and said ~= found.text then
            local is_name = name == spec.roles.command and said:upper() == found.text:upper()
            if not is_name then self:note(found.item, "echo", name .. ": the request says " .. said) end
        end
    end
end

------------------------------------------------------------------------------------------------------- conversations

local state

function proto.init()
    state = { pending = {}, links = {}, client = {}, foreign = {} }
end

-- Requests wait here for their replies: over HTTP the first one is answered, over lines the one of the same number.
local function link_of(stream, message, pinfo)
    local key = table.concat({ pinfo.number, message.at, message.direction, message.body }, "\0")
    if pinfo.visited or state.links[key] then return state.links[key] or {} end
    local pending = state.pending[stream] or {}
    state.pending[stream] = pending
    local link = {}
    if message.direction == "request" then
        link = { request = pinfo.number, asked = pinfo.rel_ts, command = message.command, sequence = message.sequence }
        pending[#pending + 1] = link
    else
        for index, waiting in ipairs(pending) do
            if not message.is_line or waiting.sequence == message.sequence then
                link = table.remove(pending, index)
                link.reply, link.elapsed = pinfo.number, pinfo.rel_ts - link.asked
                break
            end
        end
    end
    state.links[key] = link
    return link
end

local function show_link(tree, direction, link)
    if direction == "request" and link.reply then
        tree:add(f_response_in, link.reply):set_generated(true)
    elseif direction ~= "request" and link.request then
        tree:add(f_request_in, link.request):set_generated(true)
        local seconds = math.floor(link.elapsed)
        local rest = math.floor((link.elapsed - seconds) * 1000000000 + 0.5)
        tree:add(f_time, NSTime.new(seconds, rest)):set_generated(true)
    end
end

-- Over lines nothing but the sides tells requests from replies: who first sends what has no status is the client.
local function side(stream, fields, command, pinfo)
    local source = tostring(pinfo.src) .. " " .. pinfo.src_port
    if not state.client[stream] then
        local by_server = role(fields, spec.roles.status) or (command and command.push)
        state.client[stream] = by_server and tostring(pinfo.dst) .. " " .. pinfo.dst_port or source
    end
    return state.client[stream] == source and "request" or "reply"
end

-- A body: fields, rows, links. `message` says what is known of it: direction (nil over lines), head, status.
local function show(message, tvb, at, body, pinfo, tree)
    local stream = stream_of().value
    local fields = split(body)
    local name = role(fields, spec.roles.command)
    local command = name and spec.commands[name:upper()]
    local shown = name and one_line(text_of(name, charset_of(name)))
    message.is_line = message.direction == nil
    message.direction = message.direction or side(stream, fields, command, pinfo)
    message.sequence, message.body, message.command = role(fields, spec.roles.sequence), body, command
    local link = link_of(stream, message, pinfo)
    command = command or (message.direction == "reply" and link.command) or nil
    local layout = command and command[message.direction] or spec.common[message.direction]
    local decoding = setmetatable({
        tvb = tvb, at = at, command = command, fields = layout.fields, layout = layout.by_key, first = {}, told = {},
        direction = message.direction, foreign = 0, plus = plus_is_blank(body),
    }, Decoding)
    local is_push = message.direction == "reply" and message.is_line and not link.request
    local word = is_push and "push" or message.direction
    tree:add(f_direction, word):set_generated(true)
    if command then tree:add(f_command, command.name):set_generated(true) end
    tree:add(f_transport, message.is_line and "lines" or "http"):set_generated(true)
    if body == "" then decoding:note(tree, "body_empty", "the body is empty") end
    for index, pair in ipairs(fields) do decoding:field(tree, pair, index == #fields) end
    if body ~= "" and next(decoding.first) == nil then
        decoding:note(tree, "body_foreign", "no field is known")
    elseif body ~= "" then
        if not name or name == "" then
            decoding:note(tree, "command_missing", "no " .. spec.roles.command)
        elseif not spec.commands[name:upper()] then
            decoding:note(tree, "command_unknown", shown)
        end
        if command then decoding:missing(tree) end
        decoding:rows(tree)
    end
    if message.direction == "request" then
        link.said = {}
        for key, found in pairs(decoding.first) do link.said[key] = found.text end
    else
        decoding:echoes(tree, link)
    end
    show_link(tree, message.direction, link)
    local account = decoding.first[spec.roles.account]
    local words = { command and command.name or shown or "?", word }
    if account and account.text ~= "" then words[#words + 1] = one_line(account.text) end
    words[#words + 1] = table.concat(decoding.told, ", ")
    return (table.concat(words, " "):gsub("%s+$", ""))
end

------------------------------------------------------------------------------------------------------------- framing

local MORE, UNTIL_END = {}, {}  -- what a reader says that needs more bytes

local function first_line(data, from)
    local stop = data:find("\n", from, true)
    return stop and data:sub(from, stop):gsub("[\r\n]+$", "") or nil, stop
end

local function header(head, name)
    for line in head:gmatch("[^\n]+") do
        local key, value = line:match("^([^:]-)[ \t]*:[ \t]*(.-)[ \t\r]*$")
        if key and key:lower() == name then return value end
    end
end

-- The data of chunks from a place on, and where they end; nil where they are not all there.
local function chunks(data, from)
    local parts = {}
    while true do
        local line, stop = first_line(data, from)
        local size = line and tonumber(line:match("^%s*(%x+)") or "", 16)
        if not size then return line and "" or nil, line and from or nil end
        if size > #data - stop then return nil end
        if size == 0 then
            repeat
                line, stop = first_line(data, stop + 1)
            until not line or line == ""
            if not line then return nil end
            return table.concat(parts), stop + 1
        end
        parts[#parts + 1] = data:sub(stop + 1, stop + size)
        from = stop + size + 1
        local _, after = data:find("^\r?\n", from)
        from = (after or from - 1) + 1
    end
end

-- One message of `data` from a place on: a table, or MORE or UNTIL_END. `final` says that nothing will follow.
local function read(data, from, final)
    local line, stop = first_line(data, from)
    local rest = data:sub(from, from + 15)
    local may_be_http = rest:find("^%u+ ") or rest:find("^HTTP/")
    if not line then
        if not final then return MORE end
        return { body_at = from, body = data:sub(from), next = #data + 1, cut = true }
    end
    local status = tonumber(line:match("^HTTP/1%.%d[ \t]+(%d%d%d)"))
    local is_request = not status and may_be_http and line:find("[ \t]HTTP/1%.%d[ \t]*$")
    if not status and not is_request then return { body_at = from, body = line, next = stop + 1 } end
    local _, crlf = data:find("\n\r\n", stop, true)
    local _, lf = data:find("\n\n", stop, true)
    local head_end = math.min(crlf or math.huge, lf or math.huge)
    if head_end == math.huge then
        if not final then return MORE end
        head_end = #data
    end
    local head = data:sub(from, head_end)
    local made = { head = head, head_at = from, status = status, direction = status and "reply" or "request", body_at = head_end + 1 }
    made.no_target = is_request and line:find("^%u+ +HTTP/") ~= nil
    made.coding = header(head, "content-encoding")
    local length = tonumber((header(head, "content-length") or ""):match("^%d+$"))
    if status and (status < 200 or status == 204 or status == 304) then
        made.body, made.next, made.interim = "", head_end + 1, status < 200
    elseif (header(head, "transfer-encoding") or ""):lower():find("chunked", 1, true) then
        made.joined, made.next = chunks(data, head_end + 1)
        if not made.joined and not final then return MORE end
        made.body = made.joined or data:sub(head_end + 1)
        made.next = made.next or #data + 1
    elseif length then
        if #data - head_end < length and not final then return MORE end
        made.body = data:sub(head_end + 1, head_end + length)
        made.cut = #made.body < length
        made.next = head_end + #made.body + 1
    elseif status then
        if not final then return UNTIL_END end
        made.body, made.next = data:sub(head_end + 1), #data + 1
    else
        local has_body = not line:find("^GET ") and not line:find("^HEAD ")
        if has_body and #data == head_end and not final then return MORE end
        made.body = has_body and data:sub(head_end + 1) or ""
        made.next = head_end + #made.body + 1
    end
    return made
end

-- The bytes of a body as they were meant, and the buffer that holds them.
local function content(message, tvb)
    local at, body = message.body_at - 1, message.body
    if message.joined then
        if #body == 0 then return tvb, at, body end
        tvb, at = ByteArray.new(body, true):tvb(NAME .. ": chunks put together"), 0
    end
    if message.coding and #body > 0 then
        local range = tvb:range(at, #body)
        -- It is called otherwise from Wireshark 4.4 on; who asks for what is not there gets an error.
        for _, name in ipairs({ "uncompress_zlib", "uncompress" }) do
            local done, plain = pcall(function() return range[name](range, NAME .. ": unpacked") end)
            if done and plain then return plain:tvb(), 0, plain:raw() end
        end
    end
    return tvb, at, body
end

local function show_message(message, tvb, pinfo, tree)
    local from = message.head_at or message.body_at
    local branch = tree:add(proto, tvb:range(from - 1, math.max(0, math.min(message.next, tvb:len() + 1) - from)))
    if message.head then
        local head = branch:add(f_head, tvb:range(message.head_at - 1, #message.head), (message.head:gsub("[%z\128-\255]", "?")))
        head:set_text("Head: " .. (first_line(message.head, 1) or ""))
        if message.status then
            local status = branch:add(f_status, message.status)
            status:set_generated(true)
            if message.status ~= 200 and not message.interim then
                status:add_proto_expert_info(notes.http_status, "HTTP status " .. message.status)
            end
        end
    end
    if message.cut then branch:add_proto_expert_info(notes.cut, "the end was not caught") end
    if message.interim then return "HTTP " .. message.status end
    local buffer, at, body = content(message, tvb)
    message.at = message.body_at
    return show(message, buffer, at, body, pinfo, branch)
end

local function foreign(message)
    return message.direction == "request" and not message.no_target and not recognised(message.joined or message.body)
end

function proto.dissector(tvb, pinfo, tree)
    if tvb:len() == 0 then return 0 end
    local stream = stream_of().value
    if state.foreign[stream] then return Dissector.get("http"):call(tvb, pinfo, tree) end
    local data = tvb:range():raw()
    local fin = ends_here()
    local final = tvb:len() < tvb:reported_len() or pinfo.can_desegment == 0
    local said, from = {}, 1
    while from <= #data do
        if data:find("^[\r\n]", from) then
            from = from + 1
        else
            local message = read(data, from, final)
            if message == UNTIL_END and fin and fin.value then message = read(data, from, true) end
            if message == MORE or message == UNTIL_END then
                pinfo.desegment_offset = from - 1
                pinfo.desegment_len = message == MORE and DESEGMENT_ONE_MORE_SEGMENT or DESEGMENT_UNTIL_FIN or 0x0ffffffe
                break
            end
            if not pinfo.visited and not state.client[stream] and message.head then
                if foreign(message) and not message.coding then
                    state.foreign[stream] = true
                    return Dissector.get("http"):call(tvb, pinfo, tree)
                end
                state.client[stream] = "http"
            end
            said[#said + 1] = show_message(message, tvb, pinfo, tree)
            from = message.next
        end
    end
    if #said > 0 then
        pinfo.cols.protocol:set(NAME)
        pinfo.cols.info:set(table.concat(said, "; "))
        pinfo.cols.info:fence()
    end
    return tvb:len()
end

local function begins_here(tvb, pinfo, tree)
    local data = tvb:range():raw()
    local line = first_line(data, 1)
    if not line or not (data:find("=", 1, true) or line:find("^%u+ +HTTP/1%.%d")) then return false end
    local message = read(data, 1, true)
    if not message.no_target and not recognised(message.body) then return false end
    if not message.head and not data:find("\n", 1, true) then return false end
    pinfo.conversation = proto
    proto.dissector(tvb, pinfo, tree)
    return true
end

proto:register_heuristic("tcp", begins_here)

local by_port = DissectorTable.get("tcp.port")
local taken = ""
local function listen()
    if taken == proto.prefs.ports then return end
    if taken ~= "" then by_port:remove(taken, proto) end
    taken = proto.prefs.ports
    if taken ~= "" then by_port:add(taken, proto) end
end
by_port:add_for_decode_as(proto)
proto.prefs_changed = listen
listen()
