-- One row per dimension of orders and customers, member and month (and `all`, for all time): what kpi.revenue_drivers tells of
-- them. Attributes of customers are those of now; a line without customer is `Guest`. Telling orders and customers apart
-- by their ids takes the memory; those with but one row are counted as they are.
with summed as (
    select
        l.month,
        l.order_id,
        l.customer_id,
        l.store_id,
        l.channel,
        l.payment_method,
        l.promo_code,
        l.shipping_type,
        l.device_type,
        bool_or(l.is_sale) as is_sale,
        coalesce(sum(l.quantity) filter (where l.is_sale), 0) as units,
        sum(l.sales_value) as sales_value,
        sum(l.net_sales) as net_sales
    from kpi.described_lines as l
    group by
        l.month,
        l.order_id,
        l.customer_id,
        l.store_id,
        l.channel,
        l.payment_method,
        l.promo_code,
        l.shipping_type,
        l.device_type
),

-- how many rows sell for the order, for the customer in the month, and for the customer
counted as (
    select
        l.month,
        l.order_id,
        l.customer_id,
        l.store_id,
        l.channel,
        l.payment_method,
        l.promo_code,
        l.shipping_type,
        l.device_type,
        l.is_sale,
        l.units,
        l.sales_value,
        l.net_sales,
        count(*) filter (where l.is_sale) over (partition by l.order_id) as order_rows,
        count(*) filter (where l.is_sale) over (partition by l.customer_id, l.month) as month_rows,
        count(*) filter (where l.is_sale) over (partition by l.customer_id) as ever_rows
    from summed as l
),

dimensions as (
    select d.dimension
    from (values
        ('payment_method'), ('promo_code'), ('shipping_type'), ('store'), ('channel'), ('device_type'),
        ('location'), ('gender'), ('age_group')
    ) as d(dimension)
),

members as (
    select
        d.dimension,
        case
            when l.customer_id is null and d.dimension in ('location', 'gender', 'age_group') then 'Guest'
            when d.dimension = 'payment_method' then l.payment_method
            when d.dimension = 'promo_code' then l.promo_code
            when d.dimension = 'shipping_type' then l.shipping_type
            when d.dimension = 'store' then l.store_id
            when d.dimension = 'channel' then l.channel
            when d.dimension = 'device_type' then l.device_type
            when d.dimension = 'location' then c.location
            when d.dimension = 'gender' then c.gender
            when d.dimension = 'age_group' then c.age_group
        end as member,
        l.month,
        case when l.is_sale and l.order_rows = 1 then 1 else 0 end as orders_alone,
        case when l.is_sale and l.order_rows > 1 then l.order_id end as order_id,
        case when l.is_sale and l.month_rows = 1 then l.customer_id end as alone_in_month,
        case when l.is_sale and l.month_rows > 1 then l.customer_id end as customer_in_month,
        case when l.is_sale and l.ever_rows = 1 then l.customer_id end as alone_ever,
        case when l.is_sale and l.ever_rows > 1 then l.customer_id end as customer_ever,
        l.units,
        l.sales_value,
        l.net_sales
    from counted as l
    left join core.customers as c on l.customer_id = c.customer_id
    cross join dimensions as d
),

final as (
    select
        m.dimension,
        m.member,
        coalesce(to_char(m.month, 'YYYY-MM'), 'all') as period_name,
        m.month,
        sum(m.orders_alone) + count(distinct m.order_id) as orders,
        case
            when grouping(m.month) = 0 then count(m.alone_in_month) + count(distinct m.customer_in_month)
            else count(m.alone_ever) + count(distinct m.customer_ever)
        end as customers,
        sum(m.units) as units,
        sum(m.sales_value) as sales_value,
        sum(m.net_sales) as net_sales
    from members as m
    group by grouping sets ((m.dimension, m.member, m.month), (m.dimension, m.member))
)

select * from final
