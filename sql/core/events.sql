-- One row per event, bots included, with the session it belongs to: the interactions of visitors, and the
-- purchases that only sales lines know (`event_source` is `sale`).
-- Session: the events of one device, or else of one customer, without a pause of session_timeout_minutes.
-- Another customer on the device begins a new one, a login does not, nor does midnight; the end of the local
-- month does, and so does session_max_hours. Where the source delivers a session, that is the session,
-- whatever the pauses.
-- Purchase: an event and a sales line that counts are one row if they are of the same order and product (an
-- event without product: of the same order), or else of the same customer and product within
-- purchase_match_minutes. The row keeps moment, page and session of the event; order, shop, quantity and
-- money are those of the line. Each line stands once. Purchase events that repeat an order and product are
-- left out.
-- A line without event belongs to the session of its order, or else to the session of its customer that it
-- falls into (give or take session_match_minutes), or to none; a line of a shop with a door belongs to none.
with parameters as (
    select
        p.session_timeout_minutes,
        p.session_max_hours,
        p.session_match_minutes,
        p.purchase_match_minutes,
        p.dwell_cap_seconds,
        o.store_ids
    from core.parameters as p
    cross join core.online_stores as o
),

lines as (
    select
        s.sale_id,
        s.order_id,
        s.customer_id,
        s.product_id,
        s.store_id,
        s.quantity,
        s.net_sales,
        s.sold_at,
        s.sold_date,
        s.sold_month,
        s.source_id,
        row_number() over (
            partition by s.sold_month, s.order_id order by s.sold_at, s.sale_id
        ) as line_of_order,
        row_number() over (
            partition by s.sold_month, s.order_id, s.product_id order by s.sold_at, s.sale_id
        ) as line_of_product
    from core.sales as s
    where s.is_valid and s.line_type = 'sale'
),

purchases as (
    select
        i.interaction_id,
        i.customer_id,
        i.product_id,
        i.order_id,
        i.occurred_at,
        i.occurred_month,
        row_number() over (
            partition by i.occurred_month, i.order_id, i.product_id order by i.occurred_at, i.interaction_id
        ) as times,
        count(i.product_id) over (partition by i.occurred_month, i.order_id) as events_with_product
    from core.interactions as i
    where i.event_type = 'purchase'
),

bought as (
    select
        p.interaction_id,
        p.customer_id,
        p.product_id,
        p.order_id,
        p.occurred_at,
        p.occurred_month,
        p.order_id is not null
        and (p.times > 1 or (p.product_id is null and p.events_with_product > 0)) as is_repeated
    from purchases as p
),

same_order as (
    select
        b.interaction_id,
        l.sale_id
    from bought as b
    inner join lines as l
        on b.occurred_month = l.sold_month
        and b.order_id = l.order_id
        and b.product_id = l.product_id
    where not b.is_repeated and l.line_of_product = 1
    union all
    select
        b.interaction_id,
        l.sale_id
    from bought as b
    inner join lines as l on b.occurred_month = l.sold_month and b.order_id = l.order_id
    where not b.is_repeated and b.product_id is null and l.line_of_order = 1
),

-- Events and lines of one customer and product in order of time; whatever follows within the tolerance is a
-- cluster.
unpaired as (
    select
        b.occurred_month as month,
        b.customer_id,
        b.product_id,
        b.occurred_at as moment,
        'event' as side,
        b.interaction_id as item
    from bought as b
    left join same_order as m on b.interaction_id = m.interaction_id
    where m.interaction_id is null
        and not b.is_repeated
        and b.customer_id is not null
        and b.product_id is not null
    union all
    select
        l.sold_month as month,
        l.customer_id,
        l.product_id,
        l.sold_at as moment,
        'line' as side,
        l.sale_id as item
    from lines as l
    left join same_order as m on l.sale_id = m.sale_id
    where m.sale_id is null and l.customer_id is not null
),

distances as (
    select
        u.month,
        u.customer_id,
        u.product_id,
        u.moment,
        u.side,
        u.item,
        case
            when u.moment <= p.purchase_match_minutes * interval '1 minute' + lag(u.moment) over (
                partition by u.month, u.customer_id, u.product_id order by u.moment, u.side, u.item
            ) then 0
            else 1
        end as begins_cluster
    from unpaired as u
    cross join parameters as p
),

clusters as (
    select
        d.month,
        d.customer_id,
        d.product_id,
        d.moment,
        d.side,
        d.item,
        sum(d.begins_cluster) over (
            partition by d.month, d.customer_id, d.product_id
            order by d.moment, d.side, d.item rows unbounded preceding
        ) as cluster
    from distances as d
),

places as (
    select
        c.month,
        c.customer_id,
        c.product_id,
        c.cluster,
        c.moment,
        c.side,
        c.item,
        row_number() over (
            partition by c.month, c.customer_id, c.product_id, c.cluster, c.side order by c.moment, c.item
        ) as place
    from clusters as c
),

matches as (
    select
        m.interaction_id,
        m.sale_id
    from same_order as m
    union all
    select
        e.item as interaction_id,
        l.item as sale_id
    from places as e
    inner join places as l
        on e.month = l.month
        and e.customer_id = l.customer_id
        and e.product_id = l.product_id
        and e.cluster = l.cluster
        and e.place = l.place
    cross join parameters as p
    where e.side = 'event'
        and l.side = 'line'
        and e.moment <= l.moment + p.purchase_match_minutes * interval '1 minute'
        and l.moment <= e.moment + p.purchase_match_minutes * interval '1 minute'
),

facts_of_purchases as (
    select
        b.interaction_id,
        b.occurred_month,
        b.is_repeated,
        b.order_id as event_order_id,
        l.sale_id,
        l.order_id,
        l.customer_id,
        l.product_id,
        l.store_id,
        l.quantity,
        l.net_sales
    from bought as b
    left join matches as m on b.interaction_id = m.interaction_id
    left join lines as l on m.sale_id = l.sale_id
),

-- One stream per delivered session, device, or customer without a device, in order of time.
acts as (
    select
        i.interaction_id,
        i.occurred_month,
        i.occurred_month::text || case
            when i.session_id is not null then 'session:' || i.source_id || ':' || i.session_id
            when i.device_id is not null then 'device:' || i.device_id
            else 'customer:' || i.customer_id
        end as stream,
        i.session_id is not null as is_delivered,
        i.device_id,
        coalesce(i.customer_id, f.customer_id) as customer_id,
        i.occurred_at,
        case
            when i.event_type = 'visit' then 1
            when i.event_type in ('view', 'search') then 2
            when i.event_type in ('cart', 'remove_from_cart', 'wishlist') then 3
            when i.event_type = 'checkout' then 4
            else 5
        end as step_rank
    from core.interactions as i
    left join facts_of_purchases as f on i.interaction_id = f.interaction_id
    where not coalesce(f.is_repeated, false)
),

pauses as (
    select
        a.interaction_id,
        a.occurred_month,
        a.stream,
        a.is_delivered,
        a.device_id,
        a.customer_id,
        a.occurred_at,
        a.step_rank,
        case
            when a.occurred_at < p.session_timeout_minutes * interval '1 minute' + lag(a.occurred_at) over (
                partition by a.stream order by a.occurred_at, a.step_rank, a.interaction_id
            ) then 0
            when a.is_delivered and lag(a.occurred_at) over (
                partition by a.stream order by a.occurred_at, a.step_rank, a.interaction_id
            ) is not null then 0
            else 1
        end as after_pause
    from acts as a
    cross join parameters as p
),

-- Few streams name several customers: only there it is looked who was the last one named since the pause.
shared_streams as (
    select p.stream
    from pauses as p
    where not p.is_delivered
    group by p.stream
    having min(p.customer_id) <> max(p.customer_id)
),

shared_acts as (
    select
        p.interaction_id,
        p.stream,
        p.customer_id,
        p.occurred_at,
        p.step_rank,
        sum(p.after_pause) over (
            partition by p.stream
            order by p.occurred_at, p.step_rank, p.interaction_id rows unbounded preceding
        ) as pauses_before
    from pauses as p
    inner join shared_streams as s on p.stream = s.stream
),

named_acts as (
    select
        s.interaction_id,
        s.customer_id,
        lag(s.customer_id) over (
            partition by s.stream, s.pauses_before order by s.occurred_at, s.step_rank, s.interaction_id
        ) as customer_before
    from shared_acts as s
    where s.customer_id is not null
),

openings as (
    select
        p.interaction_id,
        p.occurred_month,
        p.stream,
        p.is_delivered,
        p.device_id,
        p.customer_id,
        p.occurred_at,
        p.step_rank,
        case when n.customer_id <> n.customer_before then 1 else p.after_pause end as opens
    from pauses as p
    left join named_acts as n on p.interaction_id = n.interaction_id
),

runs as (
    select
        o.interaction_id,
        o.occurred_month,
        o.stream,
        o.is_delivered,
        o.device_id,
        o.customer_id,
        o.occurred_at,
        o.step_rank,
        row_number() over (
            partition by o.stream order by o.occurred_at, o.step_rank, o.interaction_id
        ) as place,
        sum(o.opens) over (
            partition by o.stream
            order by o.occurred_at, o.step_rank, o.interaction_id rows unbounded preceding
        ) as run,
        max(case when o.opens = 1 then o.occurred_at end) over (
            partition by o.stream
            order by o.occurred_at, o.step_rank, o.interaction_id rows unbounded preceding
        ) as run_began_at
    from openings as o
),

-- What runs longer than session_max_hours is cut into stretches of that length, counted from its first event.
stretches as (
    select
        r.interaction_id,
        r.occurred_month,
        r.stream,
        r.run,
        case
            when r.is_delivered then 0
            when r.occurred_at <= r.run_began_at + p.session_max_hours * interval '1 hour' then 0
            else ceil(
                (extract(epoch from r.occurred_at) - extract(epoch from r.run_began_at))
                / nullif(p.session_max_hours::bigint * 3600, 0)
            )::bigint - 1
        end as stretch,
        r.device_id,
        r.customer_id,
        r.occurred_at,
        r.place
    from runs as r
    cross join parameters as p
),

neighbours as (
    select
        s.interaction_id,
        s.occurred_month,
        s.stream,
        s.run,
        s.stretch,
        s.device_id,
        s.customer_id,
        s.occurred_at,
        s.place,
        coalesce(
            s.run <> lag(s.run) over (partition by s.stream order by s.place)
            or s.stretch <> lag(s.stretch) over (partition by s.stream order by s.place),
            true
        ) as is_first,
        case
            when s.run = lead(s.run) over (partition by s.stream order by s.place)
                and s.stretch = lead(s.stretch) over (partition by s.stream order by s.place)
                then lead(s.occurred_at) over (partition by s.stream order by s.place)
        end as next_at
    from stretches as s
),

found_sessions as (
    select
        n.stream,
        n.run,
        n.stretch,
        max(n.occurred_month) as session_month,
        max(n.interaction_id) filter (where n.is_first) as first_interaction_id,
        coalesce(
            'device:' || max(n.device_id) filter (where n.is_first),
            max(n.customer_id) filter (where n.is_first)
        ) as actor_id,
        coalesce(max(n.device_id) filter (where n.is_first), max(n.device_id)) as device_id,
        max(n.customer_id) as customer_id,
        coalesce(min(n.customer_id) <> max(n.customer_id), false) as has_several_customers,
        min(n.occurred_at) as started_at,
        max(n.occurred_at) as ended_at,
        min(n.place) as first_place
    from neighbours as n
    group by n.stream, n.run, n.stretch
),

-- Only a delivered session can name several customers: it is the last one's.
last_named as (
    select
        n.stream,
        n.customer_id,
        row_number() over (partition by n.stream order by n.place desc) as place_from_end
    from neighbours as n
    inner join found_sessions as f
        on n.stream = f.stream and n.run = f.run and n.stretch = f.stretch and f.has_several_customers
    where n.customer_id is not null
),

sessions as (
    select
        f.stream,
        f.run,
        f.stretch,
        f.session_month,
        left(
            encode(
                sha256(
                    convert_to(
                        f.actor_id || '|' || to_char(f.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
                        || '|' || f.first_interaction_id,
                        'UTF8'
                    )
                ),
                'hex'
            ),
            32
        ) as session_id,
        f.actor_id,
        f.device_id,
        coalesce(l.customer_id, f.customer_id) as customer_id,
        f.started_at,
        f.ended_at,
        f.first_place
    from found_sessions as f
    left join last_named as l on f.stream = l.stream and l.place_from_end = 1
),

placed as (
    select
        n.interaction_id,
        n.occurred_at,
        n.next_at,
        n.place - s.first_place + 1 as session_position,
        s.session_id,
        s.actor_id,
        s.customer_id
    from neighbours as n
    inner join sessions as s on n.stream = s.stream and n.run = s.run and n.stretch = s.stretch
),

lone_lines as (
    select
        l.sale_id,
        l.order_id,
        l.customer_id,
        l.product_id,
        l.store_id,
        l.quantity,
        l.net_sales,
        l.sold_at,
        l.sold_date,
        l.sold_month,
        l.source_id,
        strpos(p.store_ids, E'\n' || l.store_id || E'\n') > 0 as is_online
    from lines as l
    cross join parameters as p
    left join matches as m on l.sale_id = m.sale_id
    where m.sale_id is null
),

sessions_of_orders as (
    select
        f.occurred_month,
        coalesce(f.order_id, f.event_order_id) as order_id,
        p.session_id,
        row_number() over (
            partition by f.occurred_month, coalesce(f.order_id, f.event_order_id)
            order by p.occurred_at, p.interaction_id
        ) as place
    from facts_of_purchases as f
    inner join placed as p on f.interaction_id = p.interaction_id
    where coalesce(f.order_id, f.event_order_id) is not null
),

-- Lines meet the sessions of their customer by the hour, so that a name that thousands share joins few with
-- few.
hours_of_lines as (
    select
        l.sale_id,
        l.customer_id,
        l.sold_at,
        l.sold_month,
        date_trunc('hour', l.sold_at at time zone 'UTC') as hour
    from lone_lines as l
    where l.is_online and l.customer_id is not null
),

hours_of_sessions as (
    select
        s.session_id,
        s.customer_id,
        s.started_at,
        s.ended_at,
        s.session_month,
        h.hour
    from sessions as s
    cross join parameters as p
    cross join lateral generate_series(
        date_trunc('hour', (s.started_at - p.session_match_minutes * interval '1 minute') at time zone 'UTC'),
        (s.ended_at + p.session_match_minutes * interval '1 minute') at time zone 'UTC',
        interval '1 hour'
    ) as h(hour)
    where s.customer_id is not null
),

offers as (
    select
        l.sale_id,
        o.session_id,
        0 as distance,
        null::timestamptz as started_at
    from lone_lines as l
    inner join sessions_of_orders as o
        on l.sold_month = o.occurred_month
        and l.order_id = o.order_id
        and o.place = 1
    where l.is_online
    union all
    select
        l.sale_id,
        s.session_id,
        case when l.sold_at between s.started_at and s.ended_at then 1 else 2 end as distance,
        s.started_at
    from hours_of_lines as l
    inner join hours_of_sessions as s
        on l.sold_month = s.session_month
        and l.customer_id = s.customer_id
        and l.hour = s.hour
    cross join parameters as p
    where l.sold_at >= s.started_at - p.session_match_minutes * interval '1 minute'
        and l.sold_at <= s.ended_at + p.session_match_minutes * interval '1 minute'
),

ranked_offers as (
    select
        o.sale_id,
        o.session_id,
        row_number() over (
            partition by o.sale_id order by o.distance, o.started_at desc nulls last, o.session_id
        ) as place
    from offers as o
),

joined_lines as (
    select
        l.sale_id,
        l.sold_at,
        l.customer_id as sale_customer_id,
        s.session_id,
        s.actor_id,
        s.device_id,
        s.customer_id
    from ranked_offers as o
    inner join lone_lines as l on o.sale_id = l.sale_id
    inner join sessions as s on o.session_id = s.session_id
    where o.place = 1
),

-- A session without any name has that of the sales of its orders.
named_by_sales as (
    select
        j.session_id,
        j.sale_customer_id as customer_id,
        row_number() over (partition by j.session_id order by j.sold_at desc, j.sale_id desc) as place
    from joined_lines as j
    where j.customer_id is null and j.sale_customer_id is not null
),

next_sales as (
    select
        p.interaction_id,
        min(j.sold_at) as sold_at
    from placed as p
    inner join joined_lines as j on p.session_id = j.session_id
    where j.sold_at >= p.occurred_at
    group by p.interaction_id
),

interactions as (
    select
        i.interaction_id as event_id,
        'interaction' as event_source,
        coalesce(i.customer_id, f.customer_id) as customer_id,
        i.device_id,
        coalesce(i.product_id, f.product_id) as product_id,
        i.event_type,
        case
            when i.event_type = 'visit' then 1
            when i.event_type in ('view', 'search') then 2
            when i.event_type in ('cart', 'remove_from_cart', 'wishlist') then 3
            when i.event_type = 'checkout' then 4
            else 5
        end as step_rank,
        i.occurred_at,
        i.occurred_date,
        i.occurred_month,
        p.session_id,
        p.session_position,
        p.actor_id,
        coalesce(p.customer_id, c.customer_id) as session_customer_id,
        i.session_id as source_session_id,
        f.sale_id,
        coalesce(f.order_id, i.order_id) as order_id,
        f.store_id,
        coalesce(f.quantity, i.quantity) as quantity,
        coalesce(f.net_sales, i.value) as value,
        i.page_url,
        i.page_type,
        i.duration_seconds,
        case
            when i.event_type = 'view'
                then coalesce(
                    i.duration_seconds,
                    extract(epoch from least(p.next_at, n.sold_at)) - extract(epoch from i.occurred_at)
                )::numeric(18, 1)
        end as stayed_seconds,
        i.referrer,
        i.utm_source,
        i.utm_medium,
        i.utm_campaign,
        i.is_product_missing,
        i.source_id
    from core.interactions as i
    inner join placed as p on i.interaction_id = p.interaction_id
    left join facts_of_purchases as f on i.interaction_id = f.interaction_id
    left join next_sales as n on i.interaction_id = n.interaction_id
    left join named_by_sales as c on p.session_id = c.session_id and c.place = 1
),

final as (
    select
        i.event_id,
        i.event_source,
        i.customer_id,
        i.device_id,
        i.product_id,
        i.event_type,
        i.step_rank,
        i.occurred_at,
        i.occurred_date,
        i.occurred_month,
        i.session_id,
        i.session_position,
        i.actor_id,
        i.session_customer_id,
        i.source_session_id,
        i.sale_id,
        i.order_id,
        i.store_id,
        i.quantity,
        i.value,
        i.page_url,
        i.page_type,
        i.duration_seconds,
        case when i.stayed_seconds > p.dwell_cap_seconds then p.dwell_cap_seconds else i.stayed_seconds end
            as dwell_seconds,
        coalesce(i.stayed_seconds > p.dwell_cap_seconds, false) as dwell_is_capped,
        i.referrer,
        i.utm_source,
        i.utm_medium,
        i.utm_campaign,
        i.is_product_missing,
        i.source_id
    from interactions as i
    cross join parameters as p
    union all
    select
        'sale:' || l.sale_id as event_id,
        'sale' as event_source,
        l.customer_id,
        j.device_id,
        l.product_id,
        'purchase' as event_type,
        5 as step_rank,
        l.sold_at as occurred_at,
        l.sold_date as occurred_date,
        l.sold_month as occurred_month,
        j.session_id,
        null as session_position,
        j.actor_id,
        coalesce(j.customer_id, c.customer_id) as session_customer_id,
        null as source_session_id,
        l.sale_id,
        l.order_id,
        l.store_id,
        l.quantity,
        l.net_sales as value,
        null as page_url,
        null as page_type,
        null as duration_seconds,
        null as dwell_seconds,
        false as dwell_is_capped,
        null as referrer,
        null as utm_source,
        null as utm_medium,
        null as utm_campaign,
        false as is_product_missing,
        l.source_id
    from lone_lines as l
    left join joined_lines as j on l.sale_id = j.sale_id
    left join named_by_sales as c on j.session_id = c.session_id and c.place = 1
)

select * from final
