<?php
/**
 * A small server of HTTP QQ in PHP: what somebody might write who has only the write-ups and a client.
 *
 * It shares nothing with qqlab but the protocol. It knows Login, List, Query_Stat, GetInfo, Change_Stat, GetMsgEx,
 * CLTMSG and Logout, closes every connection, escapes more than it must and repeats CMD as it was sent.
 *
 *   php qq.php PORT [--wrong=order,missing,text]
 *
 * order: in Query_Stat the nicknames stand beside other numbers. missing: GetInfo forgets SX at level 2.
 * text: the RES of CLTMSG is a word.
 */

declare(strict_types=1);

const LIMIT = 65536;
const FULL = ['AD', 'AG', 'BT', 'CO', 'CT', 'CY', 'EM', 'FC', 'HP', 'JB', 'LV', 'MO', 'PC', 'PH', 'PR', 'PV', 'RN', 'SC', 'SH', 'SX', 'UN', 'NK'];
const NORMAL = ['AD', 'AG', 'EM', 'FC', 'HP', 'JB', 'LV', 'PC', 'PH', 'PR', 'PV', 'RN', 'SC', 'SX', 'UN', 'NK'];
const BRIEF = ['AG', 'FC', 'LV', 'PV', 'SX', 'UN', 'NK'];
const NUMBERS = ['AG', 'BT', 'CO', 'FC', 'SH', 'SX'];

$people = [
    '10001' => ['password' => 'mima-10001', 'friends' => ['10002', '10003', '10004', '10005'], 'NK' => '小雨', 'FC' => 141,
        'AD' => '云南昆明, 翠湖路 1 号', 'AG' => 23, 'BT' => 3, 'CO' => 5, 'CT' => '昆明', 'EM' => 'xiaoyu@example.org',
        'HP' => 'http://example.org/~xiaoyu?a=1&b=2', 'JB' => '程序员', 'MO' => '0000-5550101', 'PC' => '650000',
        'PH' => '0000-5550100', 'PR' => "网络为媒,关系为本.\r\n100% 真心 & 诚意", 'PV' => '云南省', 'RN' => '张小雨', 'SH' => 11, 'SX' => 1],
    '10002' => ['password' => 'mima-10002', 'friends' => ['10001', '10003'], 'NK' => '山, 水 & 100%',
        'AD' => '北京', 'AG' => 31, 'EM' => 'shanshui@example.org', 'JB' => '教师', 'PC' => '100000', 'PH' => '0000-5550102',
        'PR' => "山不在高,有仙则名;\r\n水不在深,有龙则灵。", 'PV' => '北京市', 'RN' => '李山'],
    '10003' => ['password' => 'mima-10003', 'friends' => ['10001', '10002'], 'NK' => '鶹鑸', 'FC' => 30, 'AG' => 45,
        'PV' => '广东省', 'PR' => '请勿打扰'],
    '10004' => ['password' => 'mima-10004', 'friends' => ['10001'], 'NK' => '阿强+1', 'AG' => 19, 'PV' => '上海市'],
    '10005' => ['password' => 'mima-10005', 'friends' => [], 'NK' => '☆流星☆', 'FC' => 0],
];
$defaults = ['FC' => 270, 'CY' => '中国', 'SC' => '社会大学'];
$presence = [];  // who is logged in, and how he shows himself
$mail = [];      // what waits for whom: rows of kind, sender, text

/** One value: UTF-8 stays, what would be taken for an end is escaped. */
function escaped(string $text): string
{
    return preg_replace_callback('/[%&,\r\n+]/', fn (array $found) => sprintf('%%%02X', ord($found[0])), $text);
}

/** An item of a list, or text that may stand in one: escaped once more. */
function item(string $text): string
{
    return escaped(strtr($text, ['%' => '%25', ',' => '%2c']));
}

function column(array $items): string
{
    return implode('', array_map(fn ($value) => item((string) $value) . ',', $items));
}

function tell_friends(string $uin, int $shown): void
{
    global $people, $presence, $mail;
    foreach ($presence as $other => $_) {
        if ((string) $other !== $uin && in_array($uin, $people[$other]['friends'], true)) {
            $mail[$other][] = [99, $uin, (string) $shown];
        }
    }
}

/** A page of a list: those behind UN, at most TN of them; and whether that was all. */
function page(array $uins, array $asked): array
{
    $rest = array_values(array_filter($uins, fn ($uin) => (int) $uin > (int) ($asked['UN'] ?? 0)));
    $most = max(1, (int) ($asked['TN'] ?? 120));
    return [array_slice($rest, 0, $most), count($rest) <= $most ? 1 : 0];
}

function login(string $uin, array $asked): array
{
    global $people, $presence, $mail;
    if (!isset($people[$uin]) || strtolower($asked['PS'] ?? '') !== md5($people[$uin]['password'])) {
        return ['RS' => 1, 'RA' => '登录失败'];
    }
    $mail[$uin] ??= [];
    $again = isset($presence[$uin]);
    $presence[$uin] = 10;
    if (!$again) {
        tell_friends($uin, 10);
    }
    return ['RS' => 0, 'HI' => 60, 'LI' => 300];
}

function query_stat(string $uin, array $asked, array $wrong): array
{
    global $people, $presence, $defaults;
    $online = array_filter($people[$uin]['friends'], fn ($friend) => isset($presence[$friend]));
    [$page, $complete] = page($online, $asked);
    $names = array_map(fn ($friend) => $people[$friend]['NK'], $page);
    if (in_array('order', $wrong, true)) {
        $names = array_reverse($names);
    }
    return [
        'FC' => column(array_map(fn ($friend) => $people[$friend]['FC'] ?? $defaults['FC'], $page)),
        'FN' => $complete,
        'SN' => count($page),
        'ST' => column(array_map(fn ($friend) => $presence[$friend], $page)),
        'UN' => column($page),
        'NK' => column($names),
    ];
}

function get_info(array $asked, array $wrong): array
{
    global $people, $defaults;
    $level = (int) ($asked['LV'] ?? 1);
    $person = ($people[$asked['UN'] ?? ''] ?? []) + $defaults;
    $told = [];
    foreach ([1 => BRIEF, 2 => NORMAL, 3 => FULL][$level] ?? NORMAL as $name) {
        $value = ['LV' => $level, 'UN' => $asked['UN'] ?? ''][$name] ?? $person[$name] ?? (in_array($name, NUMBERS, true) ? 0 : '');
        $told[$name] = is_int($value) ? $value : item($value);
    }
    if ($level === 2 && in_array('missing', $wrong, true)) {
        unset($told['SX']);
    }
    return $told;
}

function get_msg_ex(string $uin): array
{
    global $mail;
    $rows = $mail[$uin];
    $mail[$uin] = [];
    return [
        'MN' => count($rows),
        'MT' => column(array_column($rows, 0)),
        'UN' => column(array_column($rows, 1)),
        'MG' => column(array_column($rows, 2)),
    ];
}

/** What the command's own fields are; null for a command that is not known. */
function own(string $command, string $uin, array $asked, array $wrong): ?array
{
    global $people, $presence, $mail;
    switch ($command) {
        case 'LIST':
            [$page, $complete] = page($people[$uin]['friends'], $asked);
            return ['FN' => $complete, 'SN' => count($page), 'UN' => column($page)];
        case 'QUERY_STAT':
            return query_stat($uin, $asked, $wrong);
        case 'GETINFO':
            return get_info($asked, $wrong);
        case 'CHANGE_STAT':
            $presence[$uin] = (int) $asked['ST'];
            tell_friends($uin, $presence[$uin]);
            return [];
        case 'GETMSGEX':
            return get_msg_ex($uin);
        case 'CLTMSG':
            $mail[$asked['UN'] ?? ''][] = [9, $uin, $asked['MG'] ?? ''];
            return [];
    }
    return null;
}

function reply(string $body, array $wrong): string
{
    global $presence, $mail;
    $asked = [];
    foreach (explode('&', $body) as $pair) {
        [$name, $value] = explode('=', $pair, 2) + [1 => ''];
        $asked[$name] = rawurldecode($value);
    }
    $command = strtoupper($asked['CMD'] ?? '');
    $uin = $asked['UIN'] ?? '';
    $status = 0;
    if ($command === 'LOGIN') {
        $own = login($uin, $asked);
    } elseif ($command === 'LOGOUT') {
        $own = [];
        if (isset($presence[$uin])) {
            unset($presence[$uin]);
            $mail[$uin] = array_values(array_filter($mail[$uin], fn (array $row) => $row[0] !== 99));
            tell_friends($uin, 20);
        }
    } elseif (!isset($presence[$uin])) {
        [$own, $status] = [[], 20];
    } else {
        $own = own($command, $uin, $asked, $wrong);
        if ($own === null) {
            return '';
        }
    }
    if ($command === 'CLTMSG' && in_array('text', $wrong, true)) {
        $status = 'ok';
    }
    $head = ['VER' => '1.1', 'CMD' => $asked['CMD'] ?? '', 'SEQ' => $asked['SEQ'] ?? '', 'UIN' => $uin, 'RES' => $status];
    $pairs = [];
    foreach ($head + $own as $name => $value) {
        $pairs[] = "$name=$value";
    }
    return implode('&', $pairs);
}

/** The body of a request that is complete, null for one that is not yet. */
function complete(string $data): ?string
{
    $parts = explode("\r\n\r\n", $data, 2);
    if (count($parts) < 2) {
        return null;
    }
    $length = preg_match('/^Content-Length:\s*(\d+)/mi', $parts[0], $found) ? (int) $found[1] : 0;
    return strlen($parts[1]) < $length ? null : substr($parts[1], 0, $length);
}

$wrong = [];
foreach (array_slice($argv, 2) as $argument) {
    $wrong = str_starts_with($argument, '--wrong=') ? explode(',', substr($argument, 8)) : $wrong;
}
$listener = stream_socket_server("tcp://127.0.0.1:$argv[1]", $number, $error) ?: exit("cannot listen: $error\n");
echo 'serving on http://' . stream_socket_get_name($listener, false) . "\n";
$clients = [];
$data = [];
while (true) {
    $ready = [$listener, ...$clients];
    [$write, $except] = [null, null];
    if (stream_select($ready, $write, $except, null) === false) {
        exit(0);
    }
    foreach ($ready as $socket) {
        if ($socket === $listener) {
            $client = stream_socket_accept($listener);
            [$clients[(int) $client], $data[(int) $client]] = [$client, ''];
            continue;
        }
        $key = (int) $socket;
        $more = fread($socket, LIMIT);
        $data[$key] .= $more;
        $body = complete($data[$key]);
        if ($body !== null) {
            $answer = reply($body, $wrong);
            fwrite($socket, "HTTP/1.1 200 OK\r\nServer: qq.php\r\nContent-Length: " . strlen($answer) . "\r\nConnection: close\r\n\r\n$answer");
        }
        if ($body !== null || $more === '' || $more === false || strlen($data[$key]) > LIMIT) {
            fclose($socket);
            unset($clients[$key], $data[$key]);
        }
    }
}
