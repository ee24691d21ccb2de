-- One row per order up to the as-of date: what its lines and its visit say of it as a whole.
-- The main category is the one with most of the order's value (ties: by name); the way of shipping is that of
-- the earliest line that names one; without any, an order of a shop with a counter is shipped `In store`. An
-- order is discounted if an amount was taken off, or if the source says so without the amount: then the depth
-- is unknown. A depth just above a bound is below it as long as rounding may have made the difference. The
-- device is that of the visit in which it was bought, where interactions tell; sales in shops have none.
with orders as (
    select
        o.order_id,
        o.customer_id,
        o.order_date,
        s.channel,
        o.gross_sales,
        o.discounts,
        o.discounts - o.lines * p.amount_tolerance as least_discounts
    from core.orders as o
    cross join core.clock as c
    cross join core.parameters as p
    inner join core.stores as s on o.store_id = s.store_id
    where o.order_date <= c.as_of_date
),

lines as (
    select
        s.order_id,
        s.sale_id,
        s.sold_at,
        s.product_id,
        s.shipping_type,
        s.discount_unknown,
        s.gross_sales - s.discounts as line_value
    from core.sales as s
    where s.is_valid and s.line_type = 'sale'
),

products as (
    select
        p.product_id,
        p.category
    from core.products as p
),

categories as (
    select
        l.order_id,
        p.category,
        sum(l.line_value) as category_value
    from lines as l
    inner join products as p on l.product_id = p.product_id
    group by l.order_id, p.category
),

main_categories as (
    select
        c.order_id,
        c.category,
        row_number() over (partition by c.order_id order by c.category_value desc, c.category) as place
    from categories as c
),

shipped as (
    select
        l.order_id,
        l.shipping_type,
        row_number() over (partition by l.order_id order by l.sold_at, l.sale_id) as place
    from lines as l
    where l.shipping_type is not null
),

hinted as (
    select distinct l.order_id
    from lines as l
    where l.discount_unknown
),

purchases as (
    select
        a.order_id,
        a.device_type,
        row_number() over (
            partition by a.order_id order by a.device_type = 'unknown', a.occurred_at, a.event_id
        ) as place
    from core.activity as a
    where a.event_type = 'purchase' and a.order_id is not null and a.session_id is not null
),

final as (
    select
        o.order_id,
        o.customer_id,
        o.order_date,
        m.category as main_category,
        coalesce(s.shipping_type, case when o.channel = 'store' then 'In store' else 'Unknown' end)
            as shipping_type,
        o.discounts > 0 or h.order_id is not null as is_discounted,
        case
            when o.discounts = 0 and h.order_id is null then 'none'
            when o.discounts = 0 then 'unknown'
            when o.least_discounts * 10 <= o.gross_sales then 'up to 10 %'
            when o.least_discounts * 5 <= o.gross_sales then 'up to 20 %'
            when o.least_discounts * 10 <= o.gross_sales * 3 then 'up to 30 %'
            else 'over 30 %'
        end as discount_depth_band,
        coalesce(a.device_type, 'unknown') as device_type
    from orders as o
    inner join main_categories as m on o.order_id = m.order_id and m.place = 1
    left join shipped as s on o.order_id = s.order_id and s.place = 1
    left join hinted as h on o.order_id = h.order_id
    left join purchases as a on o.order_id = a.order_id and a.place = 1
)

select * from final
