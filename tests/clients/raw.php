<?php
// A client as they were written in 2005: a raw socket, a request line without a target, no Content-Type, one connection
// for each request, every value through urlencode, the reply read to the end of file and searched as one string.
$uin = getenv('QQ_UIN');
$line = getenv('QQ_REQUEST_LINE');
$sequence = 5000;

function send($fields) {
    global $uin, $line, $sequence;
    $pairs = [];
    foreach (['VER' => '1.1', 'CMD' => $fields['CMD'], 'SEQ' => $sequence++, 'UIN' => $uin] + $fields as $key => $value) {
        $pairs[] = $key . '=' . urlencode($value);
    }
    $body = implode('&', $pairs);
    $socket = fsockopen(getenv('QQ_HOST'), getenv('QQ_PORT'), $number, $text, 10) or exit("no connection: $text\n");
    $host = getenv('QQ_SERVER');
    fwrite($socket, "$line\r\nHost: $host\r\nContent-Length: " . strlen($body) . "\r\nConnection: Close\r\n\r\n" . $body);
    $reply = '';
    while (!feof($socket)) {
        $reply .= fgets($socket, 128);
    }
    fclose($socket);
    return $reply;
}

$login = send(['CMD' => 'Login', 'PS' => md5(getenv('QQ_PASSWORD')), 'M5' => '1', 'LC' => '9326B87B234E7235']);
if (strpos($login, 'RES=0&RS=0') === false) {
    exit("not logged in: $login\n");
}
send(['CMD' => 'CLTMSG', 'UN' => getenv('QQ_FRIEND'), 'MG' => getenv('QQ_TEXT')]);
send(['CMD' => 'GetMsgEx']);
send(['CMD' => 'Logout']);
echo "done\n";
