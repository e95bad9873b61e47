CREATE TABLE `users` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `email` varchar(100) NOT NULL,
  `name` varchar(40) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL DEFAULT 'it''s: 100% :new',
  `mood` enum('sad','so-so','it''s fine') NOT NULL DEFAULT 'so-so',
  `likes` set('red','blue') DEFAULT 'red,blue',
  `manager_id` int(10) unsigned DEFAULT NULL,
  `created_at` timestamp NOT NULL DEFAULT current_timestamp(),
  `changed_at` timestamp NULL DEFAULT NULL ON UPDATE current_timestamp(),
  `touched_at` timestamp(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
  `seen_at` datetime(6) DEFAULT current_timestamp(6),
  `day` date DEFAULT (curdate()),
  `born` year(4) DEFAULT 2000,
  `at` time(2) DEFAULT '00:00:00.00',
  `key` varchar(36) NOT NULL DEFAULT (uuid()),
  `code` varchar(10) DEFAULT (concat('c', 1)),
  `lower_name` varchar(40) GENERATED ALWAYS AS (lower(`name`)) VIRTUAL,
  `stored` int GENERATED ALWAYS AS (length(`email`)) STORED,
  UNIQUE KEY `email` (`email`),
  KEY `manager` (`manager_id`),
  KEY `computed` ((lower(`name`))),
  KEY `unused` (`day`) INVISIBLE,
  KEY `name_prefix` (`name`(10), `email`(5)),
  FULLTEXT KEY `words` (`name`),
  CONSTRAINT `users_manager` FOREIGN KEY (`manager_id`) REFERENCES `users` (`id`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `name_given` CHECK (`name` <> '' AND `name` NOT LIKE '%:x%')
) ENGINE=InnoDB AUTO_INCREMENT=100 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='People who "log in".';

CREATE TABLE `kinds` (
  `id` bigint(20) NOT NULL,
  `tiny` tinyint(4) NOT NULL DEFAULT 0, `flag` tinyint(1) NOT NULL DEFAULT 1, `maybe` boolean, `unsigned` tinyint(3) unsigned DEFAULT 3,
  `small` smallint(6), `medium` mediumint(9) unsigned, `zeros` int(5) unsigned zerofill DEFAULT 00007, `wide` int(3),
  `big` bigint(20) unsigned NOT NULL DEFAULT 18446744073709551615,
  `exact` decimal(10,2) NOT NULL DEFAULT 0.50, `exact_unsigned` decimal(5,0) unsigned, `floating` float, `double` double(8,3) DEFAULT 1.5, `real` double unsigned,
  `bit` bit(1) DEFAULT b'1', `bits` bit(5),
  `letter` char(3) COLLATE utf8mb4_bin, `binary` binary(16), `varbinary` varbinary(20) DEFAULT 'x',
  `tinytext` tinytext, `text` text DEFAULT ('x'), `mediumtext` mediumtext, `longtext` longtext CHARACTER SET latin1, `tinyblob` tinyblob, `blob` blob, `mediumblob` mediumblob, `longblob` longblob,
  `json` json DEFAULT ('{"a":1}'), `position` point NOT NULL, `shape` geometry, `area` polygon,
  `national` nchar(5), `expression` int DEFAULT (1 + 2 * 3), `negative` int DEFAULT -1, `comment` int COMMENT 'It''s a\nremark: :x 100%',
  `quoted` varchar(20) DEFAULT '(a)', `invisible` int INVISIBLE DEFAULT 1, `nothing` varchar(5) DEFAULT '',
  PRIMARY KEY (`id`),
  SPATIAL KEY `position` (`position`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `Order Lines` (
  `OrderID` int NOT NULL, `Line-No` int NOT NULL AUTO_INCREMENT,
  `class` text, `from` text, `metadata` text, `registry` text, `self` text, `select` text, `text` varchar(5) DEFAULT 'x', `date` date,
  `datetime` datetime, `int` int, `list` text, `Any` text, `Index` text, `mapped_column` int, `2nd` text, `größe` decimal(5,1), `URLPath` text,
  `Ship to` int unsigned, `bill_to` int unsigned,
  PRIMARY KEY (`Line-No`, `OrderID`),
  UNIQUE KEY `both` (`Ship to`, `bill_to`),
  KEY `descending` (`OrderID` DESC, `int`),
  CONSTRAINT `ship` FOREIGN KEY (`Ship to`) REFERENCES `users` (`id`),
  CONSTRAINT `bill` FOREIGN KEY (`bill_to`) REFERENCES `users` (`id`) ON DELETE RESTRICT ON UPDATE NO ACTION
) COLLATE=utf8mb4_bin;

CREATE TABLE `shipments` (
  `id` int NOT NULL AUTO_INCREMENT PRIMARY KEY, `order_id` int NOT NULL, `line_no` int NOT NULL,
  `email` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
  FOREIGN KEY (`line_no`, `order_id`) REFERENCES `Order Lines` (`Line-No`, `OrderID`),
  FOREIGN KEY (`email`) REFERENCES `users` (`email`)
);

CREATE TABLE `profiles` (`user_id` int unsigned NOT NULL PRIMARY KEY, `about` text, FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE);

CREATE TABLE `tags` (`id` int NOT NULL AUTO_INCREMENT PRIMARY KEY, `tag` varchar(20), UNIQUE (`tag`));

CREATE TABLE `user_tags` (`user_id` int unsigned NOT NULL, `tag_id` int NOT NULL, PRIMARY KEY (`user_id`, `tag_id`),
  FOREIGN KEY (`user_id`) REFERENCES `users` (`id`), FOREIGN KEY (`tag_id`) REFERENCES `tags` (`id`));

CREATE TABLE `friends` (`user_id` int unsigned NOT NULL, `friend_id` int unsigned NOT NULL, PRIMARY KEY (`user_id`, `friend_id`),
  FOREIGN KEY (`user_id`) REFERENCES `users` (`id`), FOREIGN KEY (`friend_id`) REFERENCES `users` (`id`));

CREATE TABLE `chickens` (`id` int NOT NULL PRIMARY KEY, `egg_id` int);

CREATE TABLE `eggs` (`id` int NOT NULL PRIMARY KEY, `chicken_id` int, FOREIGN KEY (`chicken_id`) REFERENCES `chickens` (`id`));

ALTER TABLE `chickens` ADD FOREIGN KEY (`egg_id`) REFERENCES `eggs` (`id`);

CREATE TABLE `log` (`at` timestamp NOT NULL DEFAULT current_timestamp(), `what` text) ENGINE=MyISAM;

CREATE TABLE `parted` (`id` int NOT NULL PRIMARY KEY, `name` varchar(10)) PARTITION BY HASH (`id`) PARTITIONS 4;

CREATE TABLE `numbered` (`id` int NOT NULL PRIMARY KEY, `name` varchar(10));

CREATE TABLE `index` (`id` int NOT NULL PRIMARY KEY, `Base` text);

CREATE VIEW `active_users` AS SELECT `id`, `name` FROM `users`;

INSERT INTO `users` (`email`, `name`) VALUES ('a@example.com', 'Ann'), ('b@example.com', 'Ben');

UPDATE `users` SET `manager_id` = 100 WHERE `id` = 101;

INSERT INTO `tags` (`tag`) VALUES ('red'), ('blue');

INSERT INTO `user_tags` VALUES (100, 1), (100, 2), (101, 1);
