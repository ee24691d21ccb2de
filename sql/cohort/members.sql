-- One row per customer with an order: when the customer was won, and how the first order looked.
-- The cohort is the local month of the first order that counts. The first product is that of the order's earliest
-- line of goods (at the same moment: the one of most money); device and campaign are those of the session in which
-- the order was placed, if one is known. Location and subscription are as known now. The earliest cohort of the
-- data mostly holds customers who bought before: `is_left_censored`.
with clock as (
    select
        c.as_of_date,
        p.data_begin_is_shop_begin
    from core.clock as c
    cross join core.parameters as p
),

first_orders as (
    select
        o.customer_id,
        o.order_id,
        o.ordered_at,
        o.order_date,
        o.order_month,
        o.store_id,
        o.has_discount,
        o.order_value
    from core.orders as o
    cross join clock as c
    where o.order_number = 1 and o.order_date <= c.as_of_date
),

products as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.product_type
    from core.products as p
),

ranked_lines as (
    select
        s.order_id,
        p.product_id,
        p.product_name,
        p.category,
        row_number() over (
            partition by s.order_id
            order by p.product_type <> 'goods', s.sold_at, s.net_sales desc, s.sale_id
        ) as line_rank
    from core.sales as s
    inner join first_orders as f on s.order_id = f.order_id
    inner join products as p on s.product_id = p.product_id
    where s.is_valid and s.line_type = 'sale'
),

purchases as (
    select
        e.order_id,
        e.session_id,
        e.occurred_at,
        e.event_id
    from core.events as e
    where e.event_type = 'purchase' and e.order_id is not null and e.session_id is not null
),

sessions as (
    select
        v.session_id,
        v.device_type,
        v.utm_campaign
    from core.visits as v
),

ranked_sessions as (
    select
        f.order_id,
        s.device_type,
        coalesce(s.utm_campaign, 'No campaign') as campaign,
        row_number() over (partition by f.order_id order by p.occurred_at, p.event_id) as session_rank
    from first_orders as f
    inner join purchases as p on f.order_id = p.order_id
    inner join sessions as s on p.session_id = s.session_id
),

stores as (
    select
        s.store_id,
        s.store_name
    from core.stores as s
),

customers as (
    select
        c.customer_id,
        c.location,
        c.subscription_status
    from core.customers as c
),

final as (
    select
        f.customer_id,
        f.order_month as cohort_month,
        f.order_month = min(f.order_month) over () and not k.data_begin_is_shop_begin as is_left_censored,
        f.order_id as first_order_id,
        f.ordered_at as first_ordered_at,
        f.order_date as first_order_date,
        f.order_value as first_order_value,
        l.product_id as first_product_id,
        l.product_name as first_product_name,
        l.category as first_category,
        f.store_id as first_store_id,
        s.store_name as first_store_name,
        coalesce(v.device_type, 'unknown') as first_device_type,
        coalesce(v.campaign, 'Unknown') as first_campaign,
        f.has_discount as first_has_discount,
        c.location,
        c.subscription_status
    from first_orders as f
    cross join clock as k
    inner join ranked_lines as l on f.order_id = l.order_id and l.line_rank = 1
    inner join stores as s on f.store_id = s.store_id
    inner join customers as c on f.customer_id = c.customer_id
    left join ranked_sessions as v on f.order_id = v.order_id and v.session_rank = 1
)

select * from final
