-- One row per customer: what a site needs to greet him: favourite categories, price band, device, part of the day,
-- and the next products. Several values stand in one text, best first, parted by ` | `, so that every tool can
-- read them; NULL says that nothing is known. Made to be exported as JSON Lines, one customer a line.
with customers as (
    select
        c.customer_id,
        c.marketing_consent
    from core.customers as c
),

favourites as (
    select
        f.customer_id,
        string_agg(f.category, ' | ' order by f.rank) as top_categories
    from customer.category_features as f
    where f.rank <= 3 and f.category <> 'Unknown'
    group by f.customer_id
),

priced as (
    select
        p.product_id,
        (3 * (row_number() over (partition by p.category order by p.price, p.product_id) - 1))
        / nullif(count(*) over (partition by p.category), 0) as third
    from recommendation.products as p
    where p.is_goods and p.price is not null
),

tastes as (
    select
        i.customer_id,
        p.third,
        sum(i.weight) as weight
    from recommendation.interactions as i
    inner join priced as p on i.product_id = p.product_id
    group by i.customer_id, p.third
),

bands as (
    select
        t.customer_id,
        t.third,
        row_number() over (partition by t.customer_id order by t.weight desc, t.third) as place
    from tastes as t
),

visits as (
    select
        v.customer_id,
        v.device_type,
        v.started_at,
        case
            when extract(hour from v.started_at at time zone k.timezone) < 6 then 'night'
            when extract(hour from v.started_at at time zone k.timezone) < 12 then 'morning'
            when extract(hour from v.started_at at time zone k.timezone) < 18 then 'afternoon'
            else 'evening'
        end as daypart
    from core.visits as v
    cross join core.parameters as k
    where v.customer_id is not null
),

devices as (
    select
        v.customer_id,
        v.device_type,
        row_number() over (
            partition by v.customer_id
            order by count(*) desc, max(v.started_at) desc, v.device_type
        ) as place,
        sum(count(*)) over (partition by v.customer_id) as visits
    from visits as v
    group by v.customer_id, v.device_type
),

orders as (
    select
        o.customer_id,
        case
            when extract(hour from o.ordered_at at time zone k.timezone) < 6 then 'night'
            when extract(hour from o.ordered_at at time zone k.timezone) < 12 then 'morning'
            when extract(hour from o.ordered_at at time zone k.timezone) < 18 then 'afternoon'
            else 'evening'
        end as daypart
    from core.orders as o
    cross join core.parameters as k
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
),

moments as (
    select
        v.customer_id,
        v.daypart,
        count(*) as moments,
        true as is_visit
    from visits as v
    group by v.customer_id, v.daypart
    union all
    select
        o.customer_id,
        o.daypart,
        count(*) as moments,
        false as is_visit
    from orders as o
    group by o.customer_id, o.daypart
),

dayparts as (
    select
        m.customer_id,
        m.daypart,
        row_number() over (
            partition by m.customer_id
            order by m.is_visit desc, m.moments desc, m.daypart
        ) as place
    from moments as m
),

next_ones as (
    select
        r.customer_id,
        string_agg(r.product_id, ' | ' order by r.rank) as next_products,
        string_agg(r.product_name, ' | ' order by r.rank) as next_product_names
    from recommendation.for_customer as r
    where r.rank <= 5
    group by r.customer_id
),

final as (
    select
        c.customer_id,
        f.top_categories,
        case b.third when 0 then 'low' when 1 then 'middle' when 2 then 'high' end as price_band,
        d.device_type as preferred_device,
        p.daypart as best_daypart,
        coalesce(d.visits, 0)::bigint as visits,
        n.next_products,
        n.next_product_names,
        c.marketing_consent
    from customers as c
    left join favourites as f on c.customer_id = f.customer_id
    left join bands as b on c.customer_id = b.customer_id and b.place = 1
    left join devices as d on c.customer_id = d.customer_id and d.place = 1
    left join dayparts as p on c.customer_id = p.customer_id and p.place = 1
    left join next_ones as n on c.customer_id = n.customer_id
)

select * from final
