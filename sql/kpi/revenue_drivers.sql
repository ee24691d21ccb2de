-- One row per dimension, member and month (and `all`, for all time): what brings net sales, and how it grows.
-- Every line that counts stands in exactly one member of each dimension, so that the members of a dimension
-- add up to all net sales; dimensions are alternatives and never added together. Attributes are those of now;
-- what is missing is `Unknown`, a line without promotion code `No code`, a line without customer `Guest`, one
-- sold over the counter without a way of shipping `In store`, one of no known visit has the device `unknown`.
-- Money stands in the month of its line, returns in the month of the return; a return that says nothing of
-- payment, code, shipping or visit takes it from the line that it gives back. `orders` and `customers` are
-- distinct within the row; `aov` is what the member brought per order that contains it. From its first month
-- on a member has a row for every month, but products only for months in which a line counts.
with months as (
    select
        m.period,
        m.period_name,
        m.is_complete
    from kpi.monthly as m
),

clock as (
    select
        c.as_of_date,
        c.currency,
        p.min_group_size
    from core.clock as c
    cross join core.parameters as p
),

sales as (
    select
        s.sale_id,
        s.original_sale_id,
        s.sold_month as month,
        s.order_id,
        s.customer_id,
        s.product_id,
        s.store_id,
        s.payment_method,
        s.promo_code,
        s.shipping_type,
        s.line_type,
        s.quantity,
        s.gross_sales - s.discounts as sales_value,
        s.net_sales
    from core.sales as s
    cross join clock as c
    where s.is_valid and s.sold_date <= c.as_of_date
),

products as (
    select
        p.product_id,
        p.product_name,
        p.category,
        coalesce(p.season, 'Unknown') as season,
        coalesce(p.size, 'Unknown') as size,
        coalesce(p.color, 'Unknown') as color,
        coalesce(p.brand, 'Unknown') as brand
    from core.products as p
),

customers as (
    select
        c.customer_id,
        c.location,
        c.gender,
        c.age_group
    from core.customers as c
),

stores as (
    select
        s.store_id,
        s.store_name,
        s.channel
    from core.stores as s
),

devices as (
    select
        o.order_id,
        o.device_type
    from kpi.order_traits as o
),

returned as (
    select
        r.sale_id,
        o.order_id,
        o.payment_method,
        o.promo_code,
        o.shipping_type
    from sales as r
    inner join sales as o on r.original_sale_id = o.sale_id and o.line_type = 'sale'
    where r.line_type = 'return'
),

lines as (
    select
        s.month,
        s.order_id,
        coalesce(r.order_id, s.order_id) as bought_in,
        s.customer_id,
        s.product_id,
        s.store_id,
        t.channel,
        coalesce(s.payment_method, r.payment_method, 'Unknown') as payment_method,
        coalesce(s.promo_code, r.promo_code, 'No code') as promo_code,
        coalesce(
            s.shipping_type, r.shipping_type, case when t.channel = 'store' then 'In store' else 'Unknown' end
        ) as shipping_type,
        s.line_type = 'sale' as is_sale,
        s.quantity,
        s.sales_value,
        s.net_sales
    from sales as s
    inner join stores as t on s.store_id = t.store_id
    left join returned as r on s.sale_id = r.sale_id
),

-- Two sums that are much shorter than the lines: by product, and by everything else.
product_lines as (
    select
        l.month,
        l.order_id,
        l.customer_id,
        l.product_id,
        bool_or(l.is_sale) as is_sale,
        coalesce(sum(l.quantity) filter (where l.is_sale), 0) as units,
        sum(l.sales_value) as sales_value,
        sum(l.net_sales) as net_sales
    from lines as l
    group by l.month, l.order_id, l.customer_id, l.product_id
),

order_lines as (
    select
        l.month,
        l.order_id,
        l.bought_in,
        l.customer_id,
        l.store_id,
        l.channel,
        l.payment_method,
        l.promo_code,
        l.shipping_type,
        bool_or(l.is_sale) as is_sale,
        coalesce(sum(l.quantity) filter (where l.is_sale), 0) as units,
        sum(l.sales_value) as sales_value,
        sum(l.net_sales) as net_sales
    from lines as l
    group by
        l.month, l.order_id, l.bought_in, l.customer_id, l.store_id, l.channel, l.payment_method,
        l.promo_code, l.shipping_type
),

described_products as (
    select
        l.month,
        l.order_id,
        l.customer_id,
        l.is_sale,
        l.units,
        l.sales_value,
        l.net_sales,
        l.product_id,
        p.category,
        p.season,
        p.size,
        p.color,
        p.brand
    from product_lines as l
    inner join products as p on l.product_id = p.product_id
),

described_orders as (
    select
        l.month,
        l.order_id,
        l.customer_id,
        l.is_sale,
        l.units,
        l.sales_value,
        l.net_sales,
        l.payment_method,
        l.promo_code,
        l.shipping_type,
        l.store_id,
        l.channel,
        coalesce(d.device_type, 'unknown') as device_type,
        case when l.customer_id is null then 'Guest' else c.location end as location,
        case when l.customer_id is null then 'Guest' else c.gender end as gender,
        case when l.customer_id is null then 'Guest' else c.age_group end as age_group
    from order_lines as l
    left join customers as c on l.customer_id = c.customer_id
    left join devices as d on l.bought_in = d.order_id
),

by_product as (
    select
        case
            when grouping(l.product_id) = 0 then 'product'
            when grouping(l.category) = 0 then 'category'
            when grouping(l.season) = 0 then 'season'
            when grouping(l.size) = 0 then 'size'
            when grouping(l.color) = 0 then 'color'
            else 'brand'
        end as dimension,
        coalesce(l.product_id, l.category, l.season, l.size, l.color, l.brand) as member,
        l.month,
        count(distinct l.order_id) filter (where l.is_sale) as orders,
        count(distinct l.customer_id) filter (where l.is_sale) as customers,
        sum(l.units) as units,
        sum(l.sales_value) as sales_value,
        sum(l.net_sales) as net_sales
    from described_products as l
    group by grouping sets (
        (l.product_id, l.month), (l.category, l.month), (l.season, l.month), (l.size, l.month),
        (l.color, l.month), (l.brand, l.month),
        (l.product_id), (l.category), (l.season), (l.size), (l.color), (l.brand)
    )
),

by_order as (
    select
        case
            when grouping(l.payment_method) = 0 then 'payment_method'
            when grouping(l.promo_code) = 0 then 'promo_code'
            when grouping(l.shipping_type) = 0 then 'shipping_type'
            when grouping(l.store_id) = 0 then 'store'
            when grouping(l.channel) = 0 then 'channel'
            when grouping(l.device_type) = 0 then 'device_type'
            when grouping(l.location) = 0 then 'location'
            when grouping(l.gender) = 0 then 'gender'
            else 'age_group'
        end as dimension,
        coalesce(
            l.payment_method, l.promo_code, l.shipping_type, l.store_id, l.channel, l.device_type,
            l.location, l.gender, l.age_group
        ) as member,
        l.month,
        count(distinct l.order_id) filter (where l.is_sale) as orders,
        count(distinct l.customer_id) filter (where l.is_sale) as customers,
        sum(l.units) as units,
        sum(l.sales_value) as sales_value,
        sum(l.net_sales) as net_sales
    from described_orders as l
    group by grouping sets (
        (l.payment_method, l.month), (l.promo_code, l.month), (l.shipping_type, l.month),
        (l.store_id, l.month), (l.channel, l.month), (l.device_type, l.month), (l.location, l.month),
        (l.gender, l.month), (l.age_group, l.month),
        (l.payment_method), (l.promo_code), (l.shipping_type), (l.store_id), (l.channel), (l.device_type),
        (l.location), (l.gender), (l.age_group)
    )
),

sums as (
    select p.dimension, p.member, p.month, p.orders, p.customers, p.units, p.sales_value, p.net_sales
    from by_product as p
    union all
    select o.dimension, o.member, o.month, o.orders, o.customers, o.units, o.sales_value, o.net_sales
    from by_order as o
),

members as (
    select
        s.dimension,
        s.member,
        min(s.month) as first_month
    from sums as s
    group by s.dimension, s.member
),

spine as (
    select
        m.dimension,
        m.member,
        n.period as month
    from members as m
    inner join months as n on n.period >= m.first_month
    where m.dimension <> 'product'
    union all
    select
        s.dimension,
        s.member,
        s.month
    from sums as s
    where s.month is null or s.dimension = 'product'
),

filled as (
    select
        p.dimension,
        p.member,
        p.month,
        coalesce(s.orders, 0) as orders,
        coalesce(s.customers, 0) as customers,
        coalesce(s.units, 0) as units,
        coalesce(s.sales_value, 0) as sales_value,
        coalesce(s.net_sales, 0) as net_sales,
        sum(coalesce(s.net_sales, 0)) over (partition by p.dimension, p.month) as all_net_sales,
        lag(p.month) over (partition by p.dimension, p.member order by p.month nulls first) as month_before,
        lag(s.net_sales) over (partition by p.dimension, p.member order by p.month nulls first)
            as net_sales_before
    from spine as p
    left join sums as s
        on p.dimension = s.dimension and p.member = s.member and p.month is not distinct from s.month
),

compared as (
    select
        f.dimension,
        f.member,
        f.month,
        n.period_name,
        coalesce(n.is_complete, true) as is_complete,
        f.orders,
        f.customers,
        f.units,
        f.sales_value,
        f.net_sales,
        f.all_net_sales,
        b.is_complete as is_base_complete,
        case
            when b.period is null then null
            when f.month_before = b.period then coalesce(f.net_sales_before, 0)
            else 0
        end as net_sales_prev
    from filled as f
    left join months as n on f.month = n.period
    left join months as b on b.period = (f.month - interval '1 month')::date
),

final as (
    select
        f.dimension,
        f.member,
        coalesce(f.period_name, 'all') as period_name,
        case
            when f.dimension = 'product' then p.product_name
            when f.dimension = 'store' then s.store_name
            else f.member
        end as member_name,
        f.month as period,
        f.is_complete,
        f.net_sales,
        f.net_sales::double precision / nullif(greatest(f.all_net_sales, 0), 0) as share,
        f.orders,
        f.customers,
        f.units,
        f.sales_value as gross_less_discounts,
        (f.sales_value / nullif(f.orders, 0))::numeric(18, 4) as aov,
        f.net_sales_prev,
        f.net_sales - f.net_sales_prev as net_sales_change,
        case
            when f.is_complete and f.is_base_complete
                then (f.net_sales - f.net_sales_prev)::double precision
                    / nullif(greatest(f.net_sales_prev, 0), 0)
        end as net_sales_growth,
        case
            when f.month is null then null
            when f.net_sales_prev is null then 'no_base'
            when not f.is_complete or not f.is_base_complete then 'incomplete'
            when f.net_sales_prev <= 0 then 'non_positive_base'
        end as growth_note,
        f.orders < c.min_group_size as low_n,
        c.currency
    from compared as f
    cross join clock as c
    left join products as p on f.dimension = 'product' and f.member = p.product_id
    left join stores as s on f.dimension = 'store' and f.member = s.store_id
)

select * from final
